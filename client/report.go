package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"spillway/job"
)

// shownFailures bounds the failures that a summary names; --json names more.
const shownFailures = 20

// printJobs prints what came out of one job, or of several side by side.
func (s *session) printJobs(jobs []job.Job) {
	if s.cfg.json {
		for _, j := range jobs {
			_ = s.printJSON(jobView(j))
		}
		return
	}
	w := s.out.stdout
	printTimes(w, jobs)
	fmt.Fprintln(w)
	printTallies(w, jobs)
	for _, j := range jobs {
		printFailures(w, j, len(jobs) > 1)
	}
	if len(jobs) > 0 && jobs[0].Done > 0 && jobs[0].Spec.Operation.Name != "none" {
		fmt.Fprintf(w, "\noutputs: %s\n", filepath.Join(jobs[0].Spec.Source, job.OutputDir))
	}
}

// printJSON prints one value on a line of its own.
func (s *session) printJSON(v any) error { return json.NewEncoder(s.out.stdout).Encode(v) }

// printTimes prints a line a job: policy, state, time, counts.
func printTimes(w io.Writer, jobs []job.Job) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "policy\toperation\tstate\ttime s\tdone\tfailed\ttasks/s\tjob")
	for _, j := range jobs {
		took := j.Elapsed(time.Now())
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t%d/%d\t%d\t%.1f\t%s\n", j.Spec.Policy, j.Spec.Operation, j.State,
			took.Seconds(), j.Done, j.Total, j.Failed+j.Quarantined, rate(j, time.Now()), j.ID)
	}
	t.Flush()
}

// printTallies prints a row a node, with the columns of each job beside each other.
func printTallies(w io.Writer, jobs []job.Job) {
	names := nodeNames(jobs)
	if len(names) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(jobs) > 1 {
		for _, j := range jobs {
			fmt.Fprintf(t, "\t%s:\t\t\t\t", strings.ToUpper(j.Spec.Policy))
		}
		fmt.Fprintln(t, "\t")
	}
	fmt.Fprint(t, "node")
	for range jobs {
		fmt.Fprint(t, "\tdone\trejected\tdelayed\tfailed\tmean ms")
	}
	fmt.Fprintln(t, "\t")
	for _, name := range names {
		fmt.Fprint(t, name)
		for _, j := range jobs {
			at := slices.IndexFunc(j.Nodes, func(n job.Tally) bool { return n.Node == name })
			if at < 0 {
				fmt.Fprint(t, "\t0\t0\t0\t0\t-")
				continue
			}
			n := j.Nodes[at]
			fmt.Fprintf(t, "\t%d\t%d\t%d\t%d\t%s", n.Done, n.Rejected, n.Delayed, n.Failed, mean(n))
		}
		fmt.Fprintln(t, "\t")
	}
	t.Flush()
}

// mean is the mean time of a done attempt, from sending to the answer, in ms.
func mean(n job.Tally) string {
	if n.Done == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(n.Mean())/float64(time.Millisecond))
}

// nodeNames are the nodes of all jobs, sorted.
func nodeNames(jobs []job.Job) []job.NodeID {
	var names []job.NodeID
	for _, j := range jobs {
		for _, n := range j.Nodes {
			if !slices.Contains(names, n.Node) {
				names = append(names, n.Node)
			}
		}
	}
	slices.Sort(names)
	return names
}

// printFailures names the tasks that are not done, with the reason and the mend.
func printFailures(w io.Writer, j job.Job, several bool) {
	if j.Err != nil {
		fmt.Fprintf(w, "\n%s\n", job.Describe(j.Err))
	}
	bad := j.Failed + j.Quarantined
	if bad == 0 {
		return
	}
	of := ""
	if several {
		of = " with " + j.Spec.Policy
	}
	fmt.Fprintf(w, "\nfailed%s: %d of %d\n", of, bad, j.Total)
	failures := slices.Clone(j.Failures)
	slices.SortFunc(failures, func(a, b job.Failure) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range failures[:min(len(failures), shownFailures)] {
		fmt.Fprintf(w, "  %s: %s\n", f.Name, reason(f))
	}
	if more := bad - int64(min(len(failures), shownFailures)); more > 0 {
		fmt.Fprintf(w, "  and %d more (client --json job %s names up to %d)\n", more, j.ID, job.MaxFailures)
	}
}

// reason is why a task is not done.
func reason(f job.Failure) string {
	text := "unknown"
	if f.Err != nil {
		text = job.Describe(f.Err)
	}
	if f.Quarantined {
		return fmt.Sprintf("quarantined, it broke %s: %s", joinNodes(f.Nodes), text)
	}
	return text
}

func joinNodes(ids []job.NodeID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	return strings.Join(names, ", ")
}
