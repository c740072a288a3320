package scheduler

import (
	"cmp"
	"slices"
	"time"

	"spillway/job"
)

// steps are the latest that happened to one job: those about tasks and those about
// inputs apart, so that many of the former do not push out the latter.
type steps struct {
	last          int64 // the number given last
	tasks, inputs []job.Step
}

// newSteps goes on behind those that were kept. Its numbers begin with the time, in
// microseconds, so that they are greater than those of a server that had the job before:
// no step takes so little time.
func newSteps(kept []job.Step) steps {
	l := steps{last: time.Now().UnixMicro(), inputs: slices.Clone(kept)}
	if len(kept) > 0 {
		l.last = max(l.last, kept[len(kept)-1].Number)
	}
	return l
}

// number gives out the next number.
func (l *steps) number() int64 {
	l.last++
	return l.last
}

// add remembers a step, and forgets the oldest where there are too many.
func (l *steps) add(st job.Step) {
	list := &l.inputs
	if st.Kind == job.TaskStep {
		list = &l.tasks
	}
	if len(*list) >= 2*job.MaxSteps {
		*list = slices.Delete(*list, 0, len(*list)-job.MaxSteps)
	}
	*list = append(*list, st)
}

// since are the steps behind a number, in order.
func (l *steps) since(after int64) []job.Step {
	if after == job.NoSteps {
		return nil
	}
	found := slices.Concat(stepsBehind(l.tasks, after), stepsBehind(l.inputs, after))
	slices.SortFunc(found, func(a, b job.Step) int { return cmp.Compare(a.Number, b.Number) })
	for i := range found {
		found[i].Err = copyOf(found[i].Err)
	}
	return found
}

// stepsBehind are the latest MaxSteps of a list that are behind a number.
func stepsBehind(list []job.Step, after int64) []job.Step {
	list = list[max(0, len(list)-job.MaxSteps):]
	from, _ := slices.BinarySearchFunc(list, after+1, func(st job.Step, number int64) int { return cmp.Compare(st.Number, number) })
	return list[from:]
}

// sight is the job as it stands, with the steps behind a number.
func (r *record) sight(after int64) (job.Job, []job.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.present(), r.steps.since(after)
}

// nextStep is the number of a step that is kept before it is told of.
func (r *record) nextStep() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps.number()
}

// tell adds a step that has its number.
func (r *record) tell(st job.Step) {
	r.change(func() { r.steps.add(st) })
}

// step is the end of a task as watchers hear of it.
func (y *try) step(state job.TaskState, last job.Attempt) job.Step {
	return job.Step{
		Kind: job.TaskStep, At: moment(), Name: y.t.Name, Took: last.Took, State: state, Node: last.Node,
		Attempts: y.taken, Queued: last.Queued, Run: last.Run, Err: last.Err,
	}
}

// tellTask adds the end of a task, which has been counted; the caller holds the lock.
func (r *record) tellTask(st job.Step) {
	st.Number, st.Ended = r.steps.number(), r.job.Ended()
	r.steps.add(st)
}

// maxPast is how many jobs that have ended are remembered with their steps, for those who
// ask a moment later.
const maxPast = 32

// past is what is remembered of a job that has ended.
type past struct {
	id    job.ID
	epoch int64
	steps steps
}

// remember keeps the steps of a job that ends for a while.
func (s *Scheduler) remember(r *record) {
	r.mu.Lock()
	p := past{r.spec.ID, r.epoch, r.steps}
	r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.past) == maxPast {
		s.past = slices.Delete(s.past, 0, 1)
	}
	s.past = append(s.past, p)
}

// stepsOf are the steps behind a number of a job that this server does not run: those
// about inputs, which the store has, and those about tasks if it ended here just now.
func (s *Scheduler) stepsOf(id job.ID, epoch int64, kept []job.Step, after int64) []job.Step {
	s.mu.Lock()
	at := slices.IndexFunc(s.past, func(p past) bool { return p.id == id && p.epoch == epoch })
	l := steps{inputs: kept}
	if at >= 0 {
		l = s.past[at].steps
	}
	s.mu.Unlock()
	return l.since(after)
}
