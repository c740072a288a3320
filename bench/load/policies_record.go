package load

import (
	"fmt"
	"strconv"
	"strings"

	"spillway/bench/closedform"
	"spillway/bench/report"
	"spillway/job"
)

// record records what the jobs came to and what they should have.
func (s setting) record(policy string, ended []job.Job, started string) error {
	makespans, overheads := make([]float64, len(ended)), make([]float64, len(ended))
	for i, j := range ended {
		took := j.Finished.Sub(j.Created)
		makespans[i] = took.Seconds() / s.delay.Seconds()
		if delayed(j) {
			took -= s.delay
		}
		overheads[i] = took.Seconds() * 1000
	}
	low, high := report.Interval(makespans, s.Seed)
	s.say("  %s, %d images, %-7s: %.4f T (%.4f to %.4f), overhead %.1f ms", spell(s.loads), s.images, policy,
		report.Mean(makespans), low, high, report.Mean(overheads))
	results := []report.Result{
		{
			Name: report.Makespan, Value: report.Mean(makespans), Unit: "T", Low: low, High: high, N: len(ended),
			Params:  s.params(policy, "delay", s.delay.String()),
			Command: fmt.Sprintf("%s; %d jobs of operation none with policy %s, one every %v", started, len(ended), policy, s.every),
		},
		{Name: report.Overhead, Value: report.Mean(overheads), Unit: "ms", N: len(ended), Params: s.params(policy)},
	}
	results = append(results, s.expected(policy)...)
	if s.nodes {
		results = append(results, s.attempts(policy, ended)...)
	}
	for _, r := range results {
		r.Seed = s.Seed
		if err := s.Record(r); err != nil {
			return err
		}
	}
	return nil
}

// expected are the closed forms, that of what runs here first.
func (s setting) expected(policy string) []report.Result {
	form := func(rule string, value float64) report.Result {
		return report.Result{Name: report.ClosedForm, Value: value, Unit: "T", Params: s.params(policy, "rule", rule)}
	}
	if policy == "random" {
		return []report.Result{form("exact", closedform.Random(s.loads, s.images))}
	}
	return []report.Result{
		form("exact", closedform.Balance(s.loads, s.images)),
		form("redrawn", closedform.BalanceRedrawn(s.loads, s.images)),
	}
}

// attempts are those of each node, for the mean job.
func (s setting) attempts(policy string, ended []job.Job) []report.Result {
	var results []report.Result
	for i, load := range s.loads {
		name := fmt.Sprintf("node_%d", i)
		var sum job.Tally
		for _, j := range ended {
			for _, n := range j.Nodes {
				if string(n.Node) == name {
					sum.Done, sum.Delayed, sum.Rejected = sum.Done+n.Done, sum.Delayed+n.Delayed, sum.Rejected+n.Rejected
				}
			}
		}
		for _, kind := range []struct {
			name string
			n    int64
		}{{"done", sum.Done}, {"delayed", sum.Delayed}, {"rejected", sum.Rejected}} {
			results = append(results, report.Result{
				Name: report.NodeTasks, Value: float64(kind.n) / float64(len(ended)), Unit: "attempts", N: len(ended),
				Params: s.params(policy, "node", name, "load", spell([]float64{load}), "kind", kind.name),
			})
		}
	}
	return results
}

// params are those that every result of the setting has, and more.
func (s setting) params(policy string, more ...string) map[string]string {
	p := map[string]string{"policy": policy, "loads": spell(s.loads), "images": strconv.Itoa(s.images)}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// delayed reports whether any image of the job was.
func delayed(j job.Job) bool {
	for _, n := range j.Nodes {
		if n.Delayed > 0 {
			return true
		}
	}
	return false
}

// spell writes load probabilities as the assignment does: .1 .5 .2 .9
func spell(loads []float64) string {
	words := make([]string, len(loads))
	for i, p := range loads {
		words[i] = strings.Replace(fmt.Sprint(p), "0.", ".", 1)
	}
	return strings.Join(words, " ")
}
