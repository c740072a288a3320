package report

import (
	"strconv"
	"strings"
)

// DefaultPolicy is that of the server, whose word this package may not ask for: advice
// names it where no other can be told to be better.
const DefaultPolicy = "pull"

// advice is which policy suits whom, by what was measured.
type advice struct {
	Whom, Policy, Measured, Interval string
	// Equal are policies whose intervals meet that of Policy, or of the best; Next is the
	// best of the others, with its figure.
	Equal, Next string
	// Seeds says how many observations there are, and whether they are too few.
	Seeds    string
	Metric   string
	Scenario string
	Setting  string
}

// advise looks in each scenario that stands for a use at its main metric.
func advise(rs Results) []advice {
	var all []advice
	for _, use := range []struct{ whom, scenario, key, value string }{
		{"a few pictures, on nodes that reject and delay", "S2", "state", "cold"},
		{"many pictures there, a few at once", "S3", "images", ""},
		{"many pictures there that take their time, all at once", "S3", "images", "200"},
		{"a node that rejects nearly everything", "S4", "", ""},
		{"a folder of pictures, on machines of unequal speed", "S5", "", ""},
		{"the same, with some machines much slower than they say", "S6", "", ""},
		{"a steady stream, one server", "S7", "", ""},
		{"many servers that share the machines", "S8", "", ""},
		{"a load that rises, with deadlines", "S9", "", ""},
		{"more work than the machines can do, with deadlines", "S10", "", ""},
		{"after a burst", "S11", "", ""},
	} {
		word := mainMetric(use.scenario)
		of := rs.of(use.scenario).alike().where(Metric, "metric", word)
		if use.key != "" {
			of = of.where(Metric, "metric", word, use.key, use.value)
		}
		groups := groupsOf(of)
		if len(groups) == 0 {
			continue
		}
		g := groups[len(groups)-1] // the hardest
		if a, ok := adviseOn(g.results); ok {
			a.Whom, a.Scenario, a.Setting, a.Metric = use.whom, use.scenario, g.label, title(word)
			all = append(all, a)
		}
	}
	return all
}

// adviseOn takes the best of results of one metric in one setting; where the default
// cannot be told from the best, that the default is behind may be chance, and it is taken.
func adviseOn(of Results) (advice, bool) {
	word := bestOf(of)
	if word == "" {
		return advice{}, false
	}
	ahead := of.where(Metric, "policy", word).first()
	best := ahead
	usual := of.where(Metric, "policy", DefaultPolicy).first()
	if told := ahead.bounded() && usual.bounded() && !meets(ahead, usual); usual.Name != "" && !told {
		word, best = DefaultPolicy, usual
	}
	a := advice{Policy: word, Measured: best.written(), Interval: best.interval(), Seeds: seedsToTell(of)}
	var equal []string
	var others Results
	for _, r := range of {
		switch {
		case r.Params["policy"] == word || r.Params["policy"] == "central":
		case r.Value == best.Value:
			a.Policy += ", " + r.Params["policy"]
		case meets(best, r), meets(ahead, r):
			equal = append(equal, r.Params["policy"])
		default:
			others = append(others, r)
		}
	}
	a.Equal = strings.Join(equal, ", ")
	if len(others) == 1 {
		a.Next = others[0].Params["policy"] + " " + others[0].written()
	} else if next := bestOf(others); next != "" {
		a.Next = next + " " + others.where(Metric, "policy", next).first().written()
	}
	return a, true
}

// seedsToTell says how many observations the policies have, the fewest first, and that they
// are too few where no interval can be given.
func seedsToTell(of Results) string {
	least, most := of[0].N, of[0].N
	for _, r := range of {
		least, most = min(least, r.N), max(most, r.N)
	}
	s := strconv.Itoa(least)
	if most > least {
		s += " to " + strconv.Itoa(most)
	}
	if least < fewest {
		s += ": too few to tell them apart"
	}
	return s
}

// meets tells whether two results cannot be told apart: their intervals meet, or that of
// one holds the value of the other, where that has too few observations for its own.
func meets(a, b Result) bool {
	bounds := func(r Result) (low, high float64) {
		if r.bounded() {
			return r.Low, r.High
		}
		return r.Value, r.Value
	}
	aLow, aHigh := bounds(a)
	bLow, bHigh := bounds(b)
	return (a.bounded() || b.bounded()) && aLow <= bHigh && bLow <= aHigh
}
