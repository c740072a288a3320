package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
	"spillway/view"
)

type (
	submitIn struct {
		Key  string `header:"Idempotency-Key" maxLength:"255" doc:"the same key again is the same job, and starts nothing"`
		Body submission
	}
	submitted struct {
		Location string `header:"Location" doc:"where the job is"`
		Body     view.Job
	}
	jobsIn struct {
		State []job.State `query:"state" enum:"queued,running,succeeded,failed,cancelled" doc:"only jobs in these states, with commas between; left out: all"`
		Order string      `query:"order" enum:"newest,oldest" default:"newest" doc:"which come first"`
		PageIn
	}
	jobsOut struct {
		Body struct {
			Jobs []view.Job `json:"jobs" nullable:"false"`
			Next string     `json:"next_cursor,omitempty" doc:"for cursor; left out at the end"`
		}
	}
	// JobIn is what every call about a job takes. It is exported since the library fills
	// in no other embedded struct.
	JobIn struct {
		ID job.ID `path:"id" doc:"names the job"`
	}
	jobOut struct {
		Body view.Job
	}
	wholeJobOut struct {
		Body view.JobWithTasks
	}
	tasksIn struct {
		JobIn
		State []job.TaskState `query:"state" enum:"pending,running,done,failed,quarantined" doc:"only tasks in these states, with commas between; left out: all"`
		PageIn
	}
	tasksOut struct {
		Body struct {
			Tasks []view.Task `json:"tasks" nullable:"false" doc:"by index"`
			Next  string      `json:"next_cursor,omitempty" doc:"for cursor; left out at the end"`
		}
	}
	stepsIn struct {
		JobIn
		After int64 `query:"after" minimum:"-1" default:"-1" doc:"only those behind the step of this number; -1: all that are remembered"`
	}
	stepsOut struct {
		Body struct {
			Steps   []view.Step `json:"steps" nullable:"false" doc:"in order; of what happened to inputs and to tasks, the latest 256 each"`
			Skipped int64       `json:"skipped" doc:"tasks ended of which no step tells"`
		}
	}
)

// addJobs declares what can be done with jobs, if the server runs any.
func (a *API) addJobs() {
	if a.cfg.Service == nil {
		return
	}
	tag := []string{"jobs"}
	register(a, huma.Operation{
		OperationID: "submit-job", Method: http.MethodPost, Path: "/jobs", Tags: tag, DefaultStatus: http.StatusCreated, Summary: "Submit a job",
		Description: "It answers at once; GET /jobs/{id} tells how far the job is. With an Idempotency-Key, the job's id is made of user and key, so that the same submission sent again is one job as long as it is remembered.",
	}, by(job.Operator), a.submitJob)
	register(a, huma.Operation{OperationID: "jobs", Method: http.MethodGet, Path: "/jobs", Tags: tag, Summary: "List the jobs"}, by(job.Viewer), a.jobs)
	register(a, huma.Operation{
		OperationID: "job", Method: http.MethodGet, Path: "/jobs/{id}", Tags: tag, Summary: "A job with its counts, nodes, inputs, and tasks that are worth a look",
		Description: "Of its tasks, at most 100 that run or have failed and, where inputs were split, those that are done; GET /jobs/{id}/tasks has all.",
	}, by(job.Viewer), a.job)
	register(a, huma.Operation{OperationID: "tasks", Method: http.MethodGet, Path: "/jobs/{id}/tasks", Tags: tag, Summary: "List the tasks of a job with their attempts"}, by(job.Viewer), a.tasks)
	register(a, huma.Operation{
		OperationID: "steps", Method: http.MethodGet, Path: "/jobs/{id}/steps", Tags: tag, Summary: "What happened to a job: inputs split and joined, tasks ended",
	}, by(job.Viewer), a.steps)
	register(a, huma.Operation{
		OperationID: "cancel-job", Method: http.MethodPost, Path: "/jobs/{id}/cancel", Tags: tag, DefaultStatus: http.StatusAccepted, Summary: "End a job; what runs is told to stop",
		Description: "The job is answered as it is then, which may be before its end. A job that has ended stays as it is.",
	}, by(job.Operator), a.cancelJob)
	register(a, huma.Operation{
		OperationID: "retry-job", Method: http.MethodPost, Path: "/jobs/{id}/retry", Tags: tag, DefaultStatus: http.StatusAccepted, Summary: "Run what an ended job has not done",
	}, by(job.Operator), a.retryJob)
}

func (a *API) submitJob(ctx context.Context, in *submitIn) (*submitted, error) {
	id := job.NewID()
	if in.Key != "" {
		if err := checkKey(in.Key); err != nil {
			return nil, err
		}
		id = keyedID(principal(ctx).User, in.Key)
	}
	spec, err := in.Body.spec(id)
	if err != nil {
		return nil, err
	}
	if !a.cfg.Ready() {
		return nil, job.E(job.Unavailable, "", errors.New("the server starts: it takes over the jobs it left behind"), "send the job again in a second")
	}
	_, err = a.cfg.Service.Submit(ctx, spec)
	if job.CodeOf(err) == job.AlreadyExists && in.Key != "" {
		return nil, otherCall()
	}
	if err != nil {
		return nil, err
	}
	out, err := a.jobNow(ctx, id)
	if err != nil {
		return nil, err
	}
	return &submitted{Location: "/jobs/" + string(id), Body: out.Body}, nil
}

// jobNow is the job as it stands.
func (a *API) jobNow(ctx context.Context, id job.ID) (*jobOut, error) {
	j, err := a.cfg.Service.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	return &jobOut{Body: showJob(j)}, nil
}

// showJob is a job as it is told now.
func showJob(j job.Job) view.Job { return view.OfJob(j, time.Now()) }

// check reports an id that no job has; a store need not be asked for what is none.
// Errors: NotFound.
func (in JobIn) check() error {
	if in.ID.Check() != nil {
		return job.E(job.NotFound, "job "+job.Shown(clip(string(in.ID))), errors.New("no such job"), "GET /jobs lists them")
	}
	return nil
}

func (a *API) jobs(ctx context.Context, in *jobsIn) (*jobsOut, error) {
	list := "jobs-" + in.Order
	after, err := in.after(list)
	if err != nil {
		return nil, err
	}
	all, err := a.cfg.Service.Jobs(ctx, job.Filter{States: in.State, Limit: in.Limit + 1, After: job.ID(after), OldestFirst: in.Order == "oldest"})
	if job.CodeOf(err) == job.NotFound {
		return nil, badCursor() // it has gone out of memory meanwhile
	}
	if err != nil {
		return nil, err
	}
	page, next := pageOf(all, in.Limit, list, func(j job.Job) string { return string(j.ID) })
	out := &jobsOut{}
	out.Body.Jobs, out.Body.Next = view.Each(page, showJob), next
	return out, nil
}

func (a *API) job(ctx context.Context, in *JobIn) (*wholeJobOut, error) {
	e, err := a.look(ctx, *in, job.AllSteps)
	if err != nil {
		return nil, err
	}
	out := &wholeJobOut{Body: view.JobWithTasks{Job: showJob(e.Job), Inputs: view.Inputs(e.Steps)}}
	states := []job.TaskState{job.TaskRunning, job.TaskFailed, job.TaskQuarantined}
	if len(out.Body.Inputs) > 0 {
		states = append(states, job.TaskDone)
	}
	tasks, err := a.cfg.Service.Tasks(ctx, in.ID, job.TaskFilter{States: states, After: -1, Limit: pageDefault})
	if err != nil {
		return nil, err
	}
	out.Body.Tasks = view.Each(tasks, view.OfTask)
	return out, nil
}

// look is a job as it stands, with the steps behind the one of that number.
func (a *API) look(ctx context.Context, in JobIn, after int64) (job.Event, error) {
	if err := in.check(); err != nil {
		return job.Event{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	events, err := a.cfg.Service.Watch(ctx, in.ID, after)
	if err != nil {
		return job.Event{}, err
	}
	e, ok := <-events
	if !ok {
		return job.Event{}, job.E(job.Unavailable, "job "+string(in.ID), errors.New("the server stops"), "ask again when it is back")
	}
	return e, nil
}

func (a *API) tasks(ctx context.Context, in *tasksIn) (*tasksOut, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	const list = "tasks"
	after := int64(-1)
	place, err := in.after(list)
	if err == nil && place != "" {
		if after, err = strconv.ParseInt(place, 10, 64); err != nil {
			err = badCursor()
		}
	}
	if err != nil {
		return nil, err
	}
	all, err := a.cfg.Service.Tasks(ctx, in.ID, job.TaskFilter{States: in.State, After: after, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	page, next := pageOf(all, in.Limit, list, func(t job.TaskInfo) string { return strconv.FormatInt(t.Index, 10) })
	out := &tasksOut{}
	out.Body.Tasks, out.Body.Next = view.Each(page, view.OfTask), next
	return out, nil
}

func (a *API) steps(ctx context.Context, in *stepsIn) (*stepsOut, error) {
	after := in.After
	if after == job.NoSteps {
		after = job.AllSteps // both: from the first
	}
	e, err := a.look(ctx, in.JobIn, after)
	if err != nil {
		return nil, err
	}
	out := &stepsOut{}
	out.Body.Steps = view.Each(e.Steps, func(st job.Step) view.Step { return view.OfStep(e.Job, st) })
	out.Body.Skipped = e.Skipped
	return out, nil
}

func (a *API) cancelJob(ctx context.Context, in *JobIn) (*jobOut, error) {
	return a.change(ctx, *in, a.cfg.Service.Cancel)
}

func (a *API) retryJob(ctx context.Context, in *JobIn) (*jobOut, error) {
	return a.change(ctx, *in, a.cfg.Service.Retry)
}

// change does something to a job, and answers with it.
func (a *API) change(ctx context.Context, in JobIn, do func(context.Context, job.ID) error) (*jobOut, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := do(ctx, in.ID); err != nil {
		return nil, err
	}
	return a.jobNow(ctx, in.ID)
}
