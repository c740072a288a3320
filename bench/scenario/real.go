package scenario

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/server/policy"
)

// realParts are those that run the programs on this machine, by scenario. They
// record with the parameter on = report.OnMachine.
func realParts() map[string][]Part {
	return map[string][]Part{
		"S1":  {fidelityOnMachine},
		"S2":  {sixOnMachine},
		"S3":  {hundredOnMachine},
		"S4":  {rejecterOnMachine},
		"S10": {overloadOnMachine},
		"S12": {flapOnMachine},
		"S13": {twinsOnMachine},
	}
}

// inLab runs a part in a lab of its own, which it removes.
func inLab(e *Env, part func(*load.Lab) ([]Figure, error)) (figures []Figure, err error) {
	lab, err := load.NewLab(e.Bin)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	return part(lab)
}

// tries is what the jobs of one policy came to, with a value for each: of those that
// were the first on their cluster, and of the later ones.
type tries struct{ cold, warm sample }

// sample is the jobs of a policy in one state.
type sample struct {
	took, attempts []float64 // s; for an image
	counts         load.Counts
}

func (t *tries) add(o load.Outcome) {
	s := &t.warm
	if o.Turn == 0 {
		s = &t.cold
	}
	var c load.Counts
	c.Add(o.Job)
	s.took = append(s.took, o.Took.Seconds())
	s.attempts = append(s.attempts, c.Attempts())
	s.counts.Add(o.Job)
}

// dose is how much of a policy is measured.
type dose struct {
	seeds, jobs int
}

// rivals are run so many at once: most of their time they wait for delays that end
// together with those of others.
const rivals = 4

// try tries the policies on fresh clusters: first the default, alone, then the others,
// a few clusters at once, in turn.
func try(ctx context.Context, e *Env, lab *load.Lab, t load.Trial, doses map[string]dose) (map[string]*tries, error) {
	all := map[string]*tries{}
	most := 0
	for word, d := range doses {
		all[word] = &tries{}
		most = max(most, d.seeds)
	}
	var mu sync.Mutex
	one := func(ctx context.Context, word string, n int) error {
		t := t
		t.Jobs = doses[word].jobs
		outcomes, err := lab.Try(ctx, t, word, e.Seed+uint64(n))
		mu.Lock()
		defer mu.Unlock()
		for _, o := range outcomes {
			if err == nil {
				all[word].add(o)
			}
		}
		return err
	}
	for n := range doses[policy.Default].seeds {
		if err := one(ctx, policy.Default, n); err != nil {
			return nil, err
		}
	}
	runs, ctx := errgroup.WithContext(ctx)
	runs.SetLimit(rivals)
	for n := range most {
		for _, word := range e.Lineup() {
			if d, asked := doses[word]; asked && n < d.seeds && word != policy.Default {
				runs.Go(func() error { return one(ctx, word, n) })
			}
		}
	}
	return all, runs.Wait()
}

// record records what the tries of every policy came to.
func record(e *Env, all map[string]*tries) error {
	for _, word := range e.Lineup() {
		t, tried := all[word]
		if !tried {
			continue
		}
		if err := errors.Join(t.cold.record(e, word, "cold"), t.warm.record(e, word, "warm")); err != nil {
			return err
		}
	}
	return nil
}

// record records what the jobs of a policy in a state came to.
func (s *sample) record(e *Env, word, state string) error {
	if len(s.took) == 0 {
		return nil
	}
	on := []string{"on", report.OnMachine, "state", state}
	if _, err := e.Mean("makespan", word, s.took, "s", on...); err != nil {
		return err
	}
	if _, err := e.Mean("attempts", word, s.attempts, "", on...); err != nil {
		return err
	}
	for _, m := range []struct {
		name  string
		value float64
		unit  string
	}{
		{"makespan_p50", report.Quantile(s.took, .5), "s"},
		{"makespan_p95", report.Quantile(s.took, .95), "s"},
		{"rejections", s.counts.Rejections(), ""},
		{"copies", s.counts.Copies(), ""},
		{"wasted", s.counts.Wasted(), ""},
	} {
		r := report.Result{Name: report.Metric, Params: parameters(word, append(on, "metric", m.name)), Value: m.value, Unit: m.unit, N: len(s.took)}
		if err := e.note(r); err != nil {
			return err
		}
	}
	e.Say("  %s, %s: %.3f s (median %.3f, p95 %.3f), %.2f attempts an image, %d jobs", word, state,
		report.Mean(s.took), report.Quantile(s.took, .5), report.Quantile(s.took, .95), report.Mean(s.attempts), len(s.took))
	return nil
}
