package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"spillway/job"
)

// specRecord is a job.Spec as it is kept; its source is kept apart, for it may
// hold any bytes.
type specRecord struct {
	Operation string            `json:"operation,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Policy    string            `json:"policy,omitempty"`
	Deadline  time.Duration     `json:"deadline,omitempty"`
	Priority  int               `json:"priority,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Keep      time.Duration     `json:"keep,omitempty"`
	Trace     string            `json:"trace,omitempty"`
	// Asked is what the client asked for, where that is not the same.
	Asked *specRecord `json:"asked,omitempty"`
}

// attemptRecord is a job.Attempt as it is kept.
type attemptRecord struct {
	Number  int           `json:"number"`
	Node    job.NodeID    `json:"node"`
	Sent    int64         `json:"sent"`
	Delayed bool          `json:"delayed,omitempty"`
	Queued  time.Duration `json:"queued,omitempty"`
	Run     time.Duration `json:"run,omitempty"`
	Took    time.Duration `json:"took,omitempty"`
	Err     *errorRecord  `json:"err,omitempty"`
}

// errorRecord is a job.Error as it is kept: its cause is its text, and the load
// is not kept.
type errorRecord struct {
	Code       job.Code      `json:"code"`
	Op         string        `json:"op,omitempty"`
	Text       string        `json:"text,omitempty"`
	Hint       string        `json:"hint,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// encode is the record as JSON, which also makes valid UTF-8 of it, without NUL.
func encode(record any) (string, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return string(text), nil
}

// encodeSpec keeps a spec, and what the client asked for.
func encodeSpec(spec, asked job.Spec) (string, error) {
	r := recordOfSpec(spec)
	if !asked.Equal(spec) {
		before := recordOfSpec(asked)
		r.Asked = &before
	}
	return encode(r)
}

func recordOfSpec(s job.Spec) specRecord {
	return specRecord{s.Operation.Name, s.Operation.Params, s.Policy, s.Deadline, s.Priority, s.Tags, s.Keep, s.Trace, nil}
}

func decodeSpec(id job.ID, source, text string) (spec, asked job.Spec, err error) {
	var r specRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return spec, asked, fmt.Errorf("decode spec: %w", err)
	}
	spec = r.toSpec(id, source)
	if r.Asked != nil {
		return spec, r.Asked.toSpec(id, source), nil
	}
	asked = spec
	asked.Tags, asked.Operation.Params = slices.Clone(spec.Tags), maps.Clone(spec.Operation.Params)
	return spec, asked, nil
}

func (r specRecord) toSpec(id job.ID, source string) job.Spec {
	return job.Spec{
		ID: id, Source: source, Operation: job.Operation{Name: r.Operation, Params: r.Params},
		Policy: r.Policy, Deadline: r.Deadline, Priority: r.Priority, Tags: r.Tags, Keep: r.Keep, Trace: r.Trace,
	}
}

// encodeAttempt gives "" for the zero attempt.
func encodeAttempt(a job.Attempt) (string, error) {
	if a == (job.Attempt{}) {
		return "", nil
	}
	return encode(attemptRecord{a.Number, a.Node, nanos(a.Sent), a.Delayed, a.Queued, a.Run, a.Took, recordOf(a.Err)})
}

func decodeAttempt(text string) (job.Attempt, error) {
	if text == "" {
		return job.Attempt{}, nil
	}
	var r attemptRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return job.Attempt{}, fmt.Errorf("decode attempt: %w", err)
	}
	return job.Attempt{
		Number: r.Number, Node: r.Node, Sent: moment(r.Sent), Delayed: r.Delayed,
		Queued: r.Queued, Run: r.Run, Took: r.Took, Err: r.Err.toError(),
	}, nil
}

func encodeNodes(nodes []job.NodeID) (string, error) {
	if len(nodes) == 0 {
		return "", nil
	}
	return encode(nodes)
}

func decodeNodes(text string) (nodes []job.NodeID, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &nodes); err != nil {
		return nil, fmt.Errorf("decode nodes: %w", err)
	}
	return nodes, nil
}

// encodeError gives "" for nil.
func encodeError(e *job.Error) (string, error) {
	if e == nil {
		return "", nil
	}
	return encode(recordOf(e))
}

func decodeError(text string) (*job.Error, error) {
	if text == "" {
		return nil, nil
	}
	var r errorRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("decode error: %w", err)
	}
	return r.toError(), nil
}

func recordOf(e *job.Error) *errorRecord {
	if e == nil {
		return nil
	}
	r := &errorRecord{Code: e.Code, Op: e.Op, Hint: e.Hint, RetryAfter: e.RetryAfter}
	if e.Err != nil {
		r.Text = e.Err.Error()
	}
	return r
}

func (r *errorRecord) toError() *job.Error {
	if r == nil {
		return nil
	}
	return &job.Error{Code: r.Code, Op: r.Op, Err: errors.New(r.Text), Hint: r.Hint, RetryAfter: r.RetryAfter}
}

// nanos is t as it is kept; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment undoes nanos.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// longest is the longest time that a job is kept or may take: sums of times and
// it are still times.
const longest = 100 * 365 * 24 * time.Hour

// deadline is when a job that starts to count at the given time is to have ended.
func deadline(s job.Spec, from time.Time) int64 {
	if s.Deadline <= 0 || s.Deadline > longest {
		return 0
	}
	return nanos(from.Add(s.Deadline))
}

// plain is text as every database takes it: valid UTF-8 without NUL.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
