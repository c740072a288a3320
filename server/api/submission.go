package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// submission is a job as it is asked for.
type submission struct {
	Source    string        `json:"source" minLength:"1" maxLength:"4096" doc:"the folder that holds input_dir, or one file in it: absolute, or from the server's root; GET /files/{folder} tells that of a folder uploaded to" example:"data"`
	Operation operationText `json:"operation,omitzero" doc:"what is done to each input: NAME or NAME:key=value,…, or an object with name and params; left out: edges; GET /operations lists them"`
	Policy    string        `json:"policy,omitempty" maxLength:"1000" doc:"how nodes are chosen, NAME or NAME:PARAMETER=VALUE,…; left out: the server's; GET /policies lists them" example:"pull"`
	Deadline  span          `json:"deadline,omitzero" doc:"how long it may take: text as in 90s or 10m, or a number of seconds; left out: no bound"`
	Priority  int           `json:"priority,omitempty" minimum:"-100" maximum:"100" doc:"of the jobs that wait, a higher one starts first"`
	Tags      []string      `json:"tags,omitempty" doc:"that a node must have to get a task"`
	Keep      span          `json:"keep,omitzero" doc:"how long it is remembered after its end: text as in 48h, or a number of seconds; left out: the server's"`
}

// spec is the job that s asks for, with that id. Errors: InvalidArgument.
func (s submission) spec(id job.ID) (job.Spec, error) {
	spec := job.Spec{ID: id, Source: s.Source, Policy: s.Policy, Priority: s.Priority, Tags: s.Tags}
	var wrong [3]error
	spec.Operation, wrong[0] = s.Operation.read()
	spec.Deadline, wrong[1] = s.Deadline.read("deadline")
	spec.Keep, wrong[2] = s.Keep.read("keep")
	for _, err := range wrong {
		if err != nil {
			return spec, err
		}
	}
	if strings.ContainsRune(s.Source, 0) {
		return spec, job.E(job.InvalidArgument, "source", errors.New("it has a NUL in it"), "name a folder")
	}
	return spec, job.CheckTags(s.Tags)
}

// keyedID is the id of the job that a user submits with an Idempotency-Key, so that
// sending it again, also to another server and after a restart, is the same job.
func keyedID(user, key string) job.ID {
	sum := sha256.Sum256([]byte(user + "\x00" + key))
	return job.ID(hex.EncodeToString(sum[:]))
}

// span is a time as it was sent: text as in "90s" or "10m", or a number of seconds.
type span struct{ raw json.RawMessage }

// UnmarshalJSON implements json.Unmarshaler.
func (s *span) UnmarshalJSON(b []byte) error {
	s.raw = bytes.Clone(b)
	return nil
}

// Schema implements huma.SchemaProvider.
func (span) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString, Examples: []any{"10m"}}, {Type: huma.TypeNumber}}}
}

// read is the time, 0 where none was sent. Errors: InvalidArgument.
func (s span) read(name string) (time.Duration, error) {
	const longest = 100 * 365 * 24 * time.Hour
	if len(s.raw) == 0 || string(s.raw) == "null" {
		return 0, nil
	}
	var d time.Duration
	var text string
	err := json.Unmarshal(s.raw, &text)
	if err == nil {
		d, err = time.ParseDuration(text)
	} else {
		var seconds float64
		seconds, err = strconv.ParseFloat(string(s.raw), 64)
		if seconds > longest.Seconds() {
			err = errors.New("too long")
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if err != nil || d < 0 || d > longest {
		return 0, job.E(job.InvalidArgument, name, fmt.Errorf("%s is no time", job.Shown(clip(string(s.raw)))), "use text as in \"90s\" or \"10m\", or a number of seconds from 0")
	}
	return d, nil
}

// operationText is an operation as it was sent: text, or an object with name and params.
type operationText struct{ raw json.RawMessage }

// UnmarshalJSON implements json.Unmarshaler.
func (o *operationText) UnmarshalJSON(b []byte) error {
	o.raw = bytes.Clone(b)
	return nil
}

// Schema implements huma.SchemaProvider.
func (operationText) Schema(huma.Registry) *huma.Schema {
	value := &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean}}}
	object := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"name"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"name":   {Type: huma.TypeString, Examples: []any{"blur"}},
			"params": {Type: huma.TypeObject, AdditionalProperties: value},
		},
	}
	object.PrecomputeMessages()
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString, Examples: []any{"blur:kernel=7"}}, object}}
}

// read is the operation, zero where none was sent. Errors: InvalidArgument.
func (o operationText) read() (job.Operation, error) {
	if len(o.raw) == 0 || string(o.raw) == "null" {
		return job.Operation{}, nil
	}
	var text string
	if json.Unmarshal(o.raw, &text) == nil {
		return job.ParseOperation(text)
	}
	var object struct {
		Name   string         `json:"name"`
		Params map[string]any `json:"params"`
	}
	d := json.NewDecoder(bytes.NewReader(o.raw))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		return job.Operation{}, unreadable("operation", err)
	}
	op := job.Operation{Name: object.Name}
	if len(object.Params) > 0 {
		op.Params = make(map[string]string, len(object.Params))
	}
	for name, value := range object.Params {
		op.Params[name] = fmt.Sprint(value)
	}
	// What its text says something else about cannot be told to nodes and people.
	if again, err := job.ParseOperation(op.String()); err != nil || !again.Equal(op) {
		return op, job.E(job.InvalidArgument, "operation", fmt.Errorf("%s is no operation", job.Shown(clip(op.String()))), "use names and values as GET /operations lists them, without : , =")
	}
	return op, nil
}
