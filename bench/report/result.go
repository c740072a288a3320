// Package report turns measured figures into tables and plots. It is pure but
// for [Plots], which writes files: the same results make the same report.
package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Result is one measured figure: a line of results.jsonl.
type Result struct {
	// Name says what was measured; see the constants.
	Name string `json:"name"`
	// Params tell it from others of the same name.
	Params map[string]string `json:"params,omitempty"`
	// Seed is that of the run.
	Seed uint64 `json:"seed"`
	// Value is in Unit.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Low and High bound the mean of N observations with 95 % confidence, where
	// Value is one.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	N    int     `json:"n,omitempty"`
	// Median is that of the observations; 0 where it is not told.
	Median float64 `json:"median,omitempty"`
	// Command is what was run, with DIR for a temporary folder.
	Command string `json:"command"`
}

// The names of results, with their parameters.
const (
	// Machine has no value; its parameters tell where and when.
	Machine = "machine"
	// Speed is images/s: program (plain, tuned, spillway), pair. Tuned is plain
	// with the malloc settings of the nodes' child processes.
	Speed = "images_per_second"
	// CPU is ms of CPU time for one image: part.
	CPU = "cpu_per_image"
	// Others is how much of all CPU time other programs took meanwhile, in %.
	Others = "others_cpu"
	// Identical is how many outputs of both programs are the same bytes: of.
	Identical = "identical_outputs"
	// Isolation is images/s: isolate (on, off), pair.
	Isolation = "isolation_images_per_second"
	// Tasks is tasks/s with the operation none: tasks, run.
	Tasks = "tasks_per_second"
	// Memory is a program's peak resident memory in MB: program, tasks.
	Memory = "peak_memory"
	// Makespan is the mean makespan of jobs in T: policy, loads, images, delay.
	Makespan = "makespan"
	// ClosedForm is what it should be, in T: policy, loads, images, rule (exact, redrawn).
	ClosedForm = "closed_form"
	// Overhead is the mean of makespan − T·(was any image delayed), in ms: policy,
	// loads, images.
	Overhead = "overhead"
	// NodeTasks is attempts on one node for one job: policy, loads, images, node,
	// load, kind (done, delayed, rejected).
	NodeTasks = "node_tasks"
	// Simulated is a figure of bench sim: policy, metric.
	Simulated = "simulated"
)

// Write appends one result to w as a line of JSON.
func Write(w io.Writer, r Result) error { return json.NewEncoder(w).Encode(r) }

// Read reads results until the end of r. Errors: plain, naming the line.
func Read(r io.Reader) (Results, error) {
	var all Results
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		var one Result
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("line %d is not a result: %w", n, err)
		}
		all = append(all, one)
	}
	return all, lines.Err()
}

// Results are figures in the order in which they were measured.
type Results []Result

// where are those of a name whose parameters are as the pairs of key and value say.
func (rs Results) where(name string, pairs ...string) Results {
	var found Results
next:
	for _, r := range rs {
		if r.Name != name {
			continue
		}
		for i := 0; i < len(pairs); i += 2 {
			if r.Params[pairs[i]] != pairs[i+1] {
				continue next
			}
		}
		found = append(found, r)
	}
	return found
}

// first is the first of them, or the zero Result.
func (rs Results) first() Result {
	if len(rs) == 0 {
		return Result{}
	}
	return rs[0]
}

func (rs Results) values() []float64 {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = r.Value
	}
	return values
}

// distinct are the values of a parameter, in the order of their first occurrence.
func (rs Results) distinct(param string) []string {
	var seen []string
	has := map[string]bool{}
	for _, r := range rs {
		if v := r.Params[param]; !has[v] {
			has[v] = true
			seen = append(seen, v)
		}
	}
	return seen
}

// commands are what was run for them, each once.
func (rs Results) commands() []string {
	var seen []string
	has := map[string]bool{}
	for _, r := range rs {
		if c := r.Command; c != "" && !has[c] {
			has[c] = true
			seen = append(seen, c)
		}
	}
	return seen
}
