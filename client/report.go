package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/job"
	"spillway/view"
)

// shownFailures bounds the failures that a summary names; --json names more.
const shownFailures = 20

// printJobs prints what came out of one job, or of several side by side.
func (s *session) printJobs(jobs []job.Job) {
	if s.cfg.json {
		_ = printEach(s, jobs, jobNow)
		return
	}
	w := s.out.stdout
	printTimes(w, jobs)
	printTallies(w, jobs)
	for _, j := range jobs {
		if total(j.Nodes).Failed > j.Failed+j.Quarantined {
			fmt.Fprintln(w, "\nThe rows of the nodes count attempts; one that failed was made again elsewhere.")
			break
		}
	}
	for _, j := range jobs {
		printFailures(w, j, len(jobs) > 1)
	}
	if len(jobs) > 0 && jobs[0].Skipped > 0 {
		fmt.Fprintf(w, "\nskipped: %d of %s that the operation does not take, by their names\n", jobs[0].Skipped, job.InputDir)
	}
	wrote := func(j job.Job) bool { return j.Done > 0 && j.Spec.Operation.Name != job.NoOperation }
	if at := slices.IndexFunc(jobs, wrote); at >= 0 {
		fmt.Fprintf(w, "\noutputs: %s\n", job.Shown(outputDir(jobs[at].Spec.Source)))
	}
}

// printEach prints each value as JSON, on a line of its own, as view shapes it.
func printEach[T, V any](s *session, all []T, view func(T) V) error {
	for _, one := range all {
		if err := s.printJSON(view(one)); err != nil {
			return err
		}
	}
	return nil
}

// jobNow is a job as it is told now.
func jobNow(j job.Job) view.Job { return view.OfJob(j, time.Now()) }

// printJSON prints one value on a line of its own.
func (s *session) printJSON(v any) error { return json.NewEncoder(s.out.stdout).Encode(v) }

// printTimes prints a line a job: policy, state, time, counts.
func printTimes(w io.Writer, jobs []job.Job) {
	t := table{text: 4}
	t.row("policy", "operation", "state", "job", "time s", "done", "failed", "tasks/s")
	for _, j := range jobs {
		took := j.Elapsed(time.Now()).Seconds()
		perSecond := 0.0
		if took > 0 {
			perSecond = float64(j.Done) / took
		}
		t.row(j.Spec.Policy, j.Spec.Operation.String(), string(j.State), string(j.ID),
			fmt.Sprintf("%.2f", took), fmt.Sprintf("%d/%d", j.Done, j.Total),
			strconv.FormatInt(j.Failed+j.Quarantined, 10), fmt.Sprintf("%.1f", perSecond))
	}
	t.print(w)
}

// printTallies prints a row a node, with the columns of each job beside each
// other, under the name of its policy.
func printTallies(w io.Writer, jobs []job.Job) {
	names := nodeNames(jobs)
	if len(names) == 0 {
		return
	}
	t := table{text: 1}
	copied := slices.ContainsFunc(jobs, func(j job.Job) bool { return total(j.Nodes).Superseded > 0 })
	head := []string{"node"}
	for _, j := range jobs {
		head = append(head, tallyHeads(copied)...)
		if len(jobs) > 1 {
			t.groups = append(t.groups, j.Spec.Policy)
		}
	}
	t.row(head...)
	for _, name := range names {
		cells := []string{string(name)}
		for _, j := range jobs {
			var n job.Tally // zero for a node that the job was not sent to
			if at := slices.IndexFunc(j.Nodes, func(n job.Tally) bool { return n.Node == name }); at >= 0 {
				n = j.Nodes[at]
			}
			cells = append(cells, tallyCells(n, copied)...)
		}
		t.row(cells...)
	}
	cells := []string{"total"}
	for _, j := range jobs {
		cells = append(cells, tallyCells(total(j.Nodes), copied)...)
	}
	t.row(cells...)
	fmt.Fprintln(w)
	t.print(w)
}

// total sums the rows of all nodes.
func total(nodes []job.Tally) job.Tally {
	var sum job.Tally
	for _, n := range nodes {
		sum.Done += n.Done
		sum.Rejected += n.Rejected
		sum.Delayed += n.Delayed
		sum.Failed += n.Failed
		sum.Superseded += n.Superseded
		sum.Busy += n.Busy
	}
	return sum
}

// tallyHeads are the heads of the columns of one job. Where no task had copies, none
// was superseded.
func tallyHeads(copied bool) []string {
	if copied {
		return []string{"done", "rejected", "delayed", "superseded", "failed", "mean ms"}
	}
	return []string{"done", "rejected", "delayed", "failed", "mean ms"}
}

// tallyCells are the numbers of one node under these heads.
func tallyCells(n job.Tally, copied bool) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	cells := []string{number(n.Done), number(n.Rejected), number(n.Delayed)}
	if copied {
		cells = append(cells, number(n.Superseded))
	}
	return append(cells, number(n.Failed), mean(n))
}

// mean is the mean time of a done attempt, from sending to the answer, in ms.
func mean(n job.Tally) string {
	if n.Done == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", view.Milliseconds(n.Mean()))
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
		fmt.Fprintf(w, "  %s: %s\n", job.Label(f.Name), reason(f))
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
	var names []string
	for _, id := range ids {
		if !slices.Contains(names, string(id)) {
			names = append(names, string(id))
		}
	}
	return strings.Join(names, ", ")
}

// outputDir is where the outputs of a job with this source are: beside the input_dir of
// the one file that it may be.
func outputDir(source string) string {
	if dir, _ := filepath.Split(filepath.Clean(source)); filepath.Base(dir) == job.InputDir {
		source = filepath.Dir(filepath.Clean(dir))
	}
	return filepath.Join(source, job.OutputDir)
}
