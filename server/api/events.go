package api

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
	"spillway/view"
)

// The events that every topic may have, beside its own.
const (
	resetEvent = "reset" // some are lost
	endEvent   = "end"   // of a job: its last
)

// listenersDefault bounds the streams that are open at once.
const listenersDefault = 2000

// addEvents declares the streams of events, of what the server has: nobody would recover
// from the panic of a source that is not there.
func (a *API) addEvents() {
	most := cmp.Or(a.cfg.Listeners, listenersDefault)
	a.events, a.seats = newHub(strconv.FormatInt(time.Now().UnixMicro(), 36), most), newSeats(most)
	if a.cfg.Service != nil {
		a.addJobEvents()
	}
	if a.cfg.Nodes != nil {
		a.listen(eventCall{
			path: "/nodes/events", id: "nodes-events", role: job.Viewer, summary: "Hear what happens to the nodes",
			words: "All nodes at first, those that join or leave, changes of state, and every two seconds the load of those whose load has changed.",
			kinds: map[string]*huma.Schema{
				presentEvent: schema[nodesPresent](a), joinEvent: schema[view.Node](a), leaveEvent: schema[nodeLeft](a), stateEvent: schema[view.Node](a),
				loadEvent: schema[nodesLoad](a),
			},
		}, a.nodesEvents)
	}
	if a.cfg.Lines == nil {
		return
	}
	a.listen(eventCall{
		path: "/log/events", id: "log-events", role: job.Admin, summary: "Hear the server's own log",
		words: "Each line as it is written; a gap in their numbers tells of lines that came too fast. With last_event_id=0 those that are remembered, too.",
		kinds: map[string]*huma.Schema{lineEvent: schema[LogLine](a)},
	}, a.logEvents)
}

// addJobEvents declares the streams of events about jobs.
func (a *API) addJobEvents() {
	a.listen(eventCall{
		path: "/jobs/{id}/events", id: "job-events", role: job.Viewer, summary: "Hear what happens to a job",
		words: "The job at first, its steps, how far it is (at most twice a second), and its end, which ends the stream; of a job that has ended, its end alone. " +
			"Tasks that end too fast for an event each are counted in skipped of progress. 204 if the end was heard already.",
		kinds: map[string]*huma.Schema{
			stateEvent: schema[view.Job](a), progressEvent: schema[view.Progress](a), endEvent: schema[view.Job](a),
			string(job.TaskStep): schema[view.Step](a), string(job.SplitStep): schema[view.Step](a),
			string(job.JoiningStep): schema[view.Step](a), string(job.JoinedStep): schema[view.Step](a),
		},
	}, a.jobEvents)
	a.listen(eventCall{
		path: "/jobs/events", id: "jobs-events", role: job.Viewer, summary: "Hear what happens to all jobs",
		words: "Those that have not ended and the newest at first, new ones, changes of state, and how far each is (at most once a second).",
		kinds: map[string]*huma.Schema{
			presentEvent: schema[jobsPresent](a), newEvent: schema[view.Job](a), stateEvent: schema[view.Job](a), progressEvent: schema[view.Progress](a),
		},
	}, a.jobsEvents)
}

// eventCall is a stream of events as it is described.
type eventCall struct {
	path, id, summary, words string
	role                     job.Role
	kinds                    map[string]*huma.Schema // what the data of each kind is
}

// listen declares a stream of events.
func (a *API) listen(c eventCall, handle func(http.ResponseWriter, *http.Request, access) error) {
	c.kinds[resetEvent] = schema[reset](a)
	good := described{http.StatusOK, &huma.Response{
		Description: "Server-sent events, of the kinds and with the data that x-events names",
		Content: map[string]*huma.MediaType{eventStream: {
			Schema: &huma.Schema{Type: huma.TypeString}, Extensions: map[string]any{"x-events": c.kinds},
		}},
	}}
	last := &huma.Schema{Type: huma.TypeString}
	parameters := []*huma.Param{
		{Name: "Last-Event-ID", In: "header", Description: "the id heard last; 0: all that is remembered", Schema: last},
		{Name: "last_event_id", In: "query", Description: "the same, for those who can set no header", Schema: last},
	}
	errors := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	responses := a.answers(good, errors...)
	if strings.Contains(c.path, "{id}") {
		parameters = append(parameters, &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		responses = a.answers(good, append(errors, http.StatusNotFound)...)
		responses[strconv.Itoa(http.StatusNoContent)] = &huma.Response{Description: "The end was heard already"}
	}
	who := by(c.role)
	a.stream(huma.Operation{
		OperationID: c.id, Method: http.MethodGet, Path: c.path, Tags: []string{"events"}, Summary: c.summary,
		Description: c.words + "\n\nWho comes back with Last-Event-ID hears what was missed, or reset and how things stand.",
		Parameters:  parameters, Responses: responses,
	}, who, func(w http.ResponseWriter, r *http.Request) error { return handle(w, r, who) })
}

// eventStream is the content type of server-sent events.
const eventStream = "text/event-stream"

// follow has a listener hear a topic until it leaves, its token dies, the topic ends or
// the server stops. Errors: those of the topic's source, InvalidArgument,
// ResourceExhausted, Unavailable.
func (a *API) follow(w http.ResponseWriter, r *http.Request, who access, name string, run source) error {
	known, err := a.events.heardBy(r)
	if err != nil {
		return err
	}
	user := principal(r.Context()).User
	if err := a.seats.take(user); err != nil {
		return err
	}
	defer a.seats.leave(user)
	a.places.leave(visitOf(r.Context()))
	t, err := a.events.join(r.Context(), name, run)
	if err != nil {
		return err
	}
	defer a.events.leave(t)
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // proxies shall not collect events
	if r.Method == http.MethodHead {
		return nil
	}
	l := &follower{a: a, t: t, w: w, control: http.NewResponseController(w), beat: heartbeat, check: checkEvery}
	still := a.still(r, who)
	l.alive = func() bool { return still() == nil }
	l.run(r.Context(), known)
	_ = l.control.SetWriteDeadline(time.Time{}) // writers of tests have none
	return nil
}

// Listeners is how many streams of events are open.
func (a *API) Listeners() int { return a.seats.count() }

// jobEvents hears one job. Errors: NotFound, those of follow.
func (a *API) jobEvents(w http.ResponseWriter, r *http.Request, who access) error {
	id := job.ID(r.PathValue("id"))
	if err := (JobIn{ID: id}).check(); err != nil {
		return err
	}
	known, err := a.events.heardBy(r)
	if err != nil {
		return err
	}
	if known.end { // a browser comes back until it is told that there is no more
		j, err := a.cfg.Service.Job(r.Context(), id)
		if err != nil {
			return err
		}
		if j.State.Final() {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	return a.follow(w, r, who, "job "+string(id), followJob(a.cfg.Service, id))
}

func (a *API) jobsEvents(w http.ResponseWriter, r *http.Request, who access) error {
	return a.follow(w, r, who, "jobs", followJobs(a.cfg.Service))
}

func (a *API) nodesEvents(w http.ResponseWriter, r *http.Request, who access) error {
	return a.follow(w, r, who, "nodes", followNodes(a.cfg.Nodes))
}

func (a *API) logEvents(w http.ResponseWriter, r *http.Request, who access) error {
	return a.follow(w, r, who, "log", followLog(a.cfg.Lines))
}
