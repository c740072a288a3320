package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"spillway/job"
	"spillway/params"
)

// Default is the policy of who names none: the best over all scenarios of
// docs/policies.md.
const Default = "pull"

// maker makes a policy from its parameters, and says in a line what it does.
type maker struct {
	summary string
	make    func(p *params.List) Policy
	patient bool // lets tasks wait at the server
}

// makers has every policy by its name.
var makers = map[string]maker{
	"random":               {summary: "a node by chance, which may only delay: the assignment's first mode", make: newRandom},
	"balance":              {summary: "a node by chance, which may reject; then another: the assignment's second mode", make: newBalance},
	"c3":                   {summary: "the lowest latency plus the cube of what is in flight", make: newC3},
	"cost":                 {summary: "the least expected cost, with rejections and delays, by Thompson sampling", make: newCost},
	"jiq":                  {summary: "a node that has nothing to do; where there is none, as p2c", make: newJIQ},
	"peak_ewma":            {summary: "of two nodes by chance, the one of the lower latency times attempts", make: newPeakEWMA},
	"round_robin":          {summary: "one node after the other", make: newRoundRobin},
	"weighted_round_robin": {summary: "one after the other, by what each can do: qps/(utilization + errors/qps)", make: newWeightedRoundRobin},
	"least_outstanding":    {summary: "the node with the fewest attempts of this server", make: newLeastOutstanding},
	"p2c":                  {summary: "of two nodes by chance, the one with fewer attempts of this server", make: newP2C},
	"prequal":              {summary: "the lowest latency among nodes that say they have little to do; suits many servers", make: newPrequal},
	"pull":                 {summary: "tasks wait until a node is ready; then the one of the least expected cost", make: newPull, patient: true},
}

// hedge is the default of the parameter. Where the tasks wait at the server, one that is
// copied takes nobody's place, since copies go when none waits.
func (m maker) hedge() float64 {
	if m.patient {
		return 1
	}
	return defaultHedge
}

// Names are the policies that there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(makers)) }

// Rule is a policy as a word such as "prequal:q=0.6,pool=16" names it, with what
// stands around it.
type Rule struct {
	Policy
	// Hedge is the part of its tasks that may get a second copy, 0 to 1.
	Hedge float64
	// Throttle is K of the server's own throttle on each node; 0: none.
	Throttle float64
	// Eject tells that nodes that fail much are left out for a while.
	Eject bool
}

// Options of every policy that is no baseline.
const (
	defaultHedge    = .15
	defaultThrottle = 0
)

// New makes the policy that a word names, NAME or NAME:PARAMETER=VALUE,…; it knows
// no node yet. Errors: InvalidArgument.
func New(word string) (Rule, error) {
	name, p := params.Cut(word)
	m, ok := makers[name]
	if !ok {
		return Rule{}, job.E(job.InvalidArgument, fmt.Sprintf("policy %.80q", word),
			errors.New("no such policy"), "use one of "+strings.Join(Names(), ", "))
	}
	r := Rule{Policy: m.make(p)}
	if !r.Traits().Baseline {
		r.readOptions(p, m.hedge())
	}
	if err := p.Finish(); err != nil {
		return Rule{}, job.E(job.InvalidArgument, fmt.Sprintf("policy %.80q", word), err, p.Hint(name))
	}
	return r, nil
}

// readOptions reads what every policy has that is no baseline.
func (r *Rule) readOptions(p *params.List, hedge float64) {
	r.Hedge = p.Float("hedge", hedge, 0, 1, "part of the tasks that may get a second copy; 0: none")
	r.Throttle = p.Float("throttle", defaultThrottle, 0, 100, "K of the server's own throttle on a node that rejects; 0: none")
	r.Eject = p.Bool("eject", true, "leave out for a while nodes that fail much")
}

// Summaries say in a line what each policy does, by its name.
func Summaries() map[string]string {
	all := make(map[string]string, len(makers))
	for name, m := range makers {
		all[name] = m.summary
	}
	return all
}

// Describe says in a line a policy what it does, with its parameters and defaults, and then
// what [Options] says.
func Describe() string {
	var b strings.Builder
	for _, name := range Names() {
		p := &params.List{}
		makers[name].make(p)
		fmt.Fprintf(&b, "  %-21s %s\n", name, makers[name].summary)
		for _, info := range p.Infos() {
			fmt.Fprintf(&b, "  %-21s   %s\n", "", info)
		}
	}
	return b.String() + "\n" + Options()
}

// Options says in a line each which parameters all policies but the baselines have beside
// their own, with defaults.
func Options() string {
	var baselines, patient []string
	for _, name := range Names() {
		if makers[name].make(&params.List{}).Traits().Baseline {
			baselines = append(baselines, name)
		}
		if makers[name].patient {
			patient = append(patient, name)
		}
	}
	p := &params.List{}
	(&Rule{}).readOptions(p, defaultHedge)
	var b strings.Builder
	fmt.Fprintf(&b, "All policies but %s have these, too:\n", strings.Join(baselines, " and "))
	for _, info := range p.Infos() {
		if strings.HasPrefix(info, "hedge=") {
			info += fmt.Sprintf("; %s: hedge=%g", strings.Join(patient, ", "), maker{patient: true}.hedge())
		}
		fmt.Fprintf(&b, "  %s\n", info)
	}
	return b.String()
}
