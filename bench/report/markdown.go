package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The plots that the report shows, by file name.
const (
	speedPlot    = "images_per_second.png"
	makespanPlot = "makespan_%s.png" // of so many images
	nodesPlot    = "node_tasks.png"
)

// Markdown is the report on rs. What was not measured is left out.
func Markdown(rs Results) string {
	var d document
	d.line("# Benchmark")
	m := rs.where(Machine).first()
	d.line("%s cores (%s), %s, OpenCV %s, %s; %s; load average before the run %s; seed %d.",
		m.Params["cores"], m.Params["cpu"], m.Params["go"], m.Params["opencv"], m.Params["os"], m.Params["date"], m.Params["load"], m.Seed)
	d.line("Everything was measured in one run of `%s`, on this machine, with all programs on it.", m.Command)
	d.speed(rs)
	d.isolation(rs)
	d.tasks(rs)
	d.policies(rs)
	return d.String()
}

// document is text in the making.
type document struct{ strings.Builder }

// line adds a paragraph of one line.
func (d *document) line(format string, args ...any) {
	fmt.Fprintf(d, format+"\n\n", args...)
}

// table adds a table; the first row is its head.
func (d *document) table(rows [][]string) {
	for i, row := range rows {
		d.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			d.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	d.WriteString("\n")
}

// commands adds what was run.
func (d *document) commands(rs Results) {
	d.WriteString("Commands:\n\n")
	for _, c := range rs.commands() {
		d.WriteString("    " + c + "\n")
	}
	d.WriteString("\n")
}

// speed tells of images/s against the plain loop, and where the time goes.
func (d *document) speed(rs Results) {
	plain, ours := rs.where(Speed, "program", "plain"), rs.where(Speed, "program", "spillway")
	if len(plain) == 0 || len(plain) != len(ours) {
		return
	}
	d.line("## Images per second")
	d.line("One client's call to a server and a node with a slot a core (load probability 0), from the start of the client to its end, against a " +
		"plain Go + gocv loop over all cores that is timed without its start. Same photographs, operation `edges`; the two take turns.")
	d.pairs("plain images/s", "spillway images/s", plain, ours)
	ratio := Median(ratios(ours, plain))
	d.verdict("a ratio of 0.95 or more", ratio >= .95, fmt.Sprintf("%.3f", ratio))
	if tuned := rs.where(Speed, "program", "tuned"); len(tuned) == len(ours) {
		d.line("The nodes' child processes let malloc keep its memory from one image to the next (`GLIBC_TUNABLES`), which a plain program does not. "+
			"With the same settings the plain loop reaches %.1f images/s, and the ratio is %.3f (medians).",
			Median(tuned.values()), Median(ratios(ours, tuned)))
	}
	if others := rs.where(Others).first(); others.Name != "" {
		d.line("Other programs took %.1f %% of the machine's CPU time meanwhile; where that is much, the figures say little.", others.Value)
	}
	if same := rs.where(Identical).first(); same.Name != "" {
		d.line("Of %s outputs, %.0f are byte for byte the same from both.", same.Params["of"], same.Value)
	}
	d.line("![images per second](%s)", speedPlot)
	if cpu := rs.where(CPU); len(cpu) > 0 {
		d.line("Where the time goes, in CPU time of all cores together:")
		rows := [][]string{{"program", "ms an image"}}
		for _, r := range cpu {
			rows = append(rows, []string{r.Params["part"], fmt.Sprintf("%.2f", r.Value)})
		}
		d.table(rows)
	}
	d.commands(append(plain, ours...))
}

// isolation tells what child processes cost.
func (d *document) isolation(rs Results) {
	off, on := rs.where(Isolation, "isolate", "off"), rs.where(Isolation, "isolate", "on")
	if len(off) == 0 || len(off) != len(on) {
		return
	}
	d.line("## Child processes")
	d.line("The same job, with the native code in child processes (`--isolate=on`, the default) and within the node, both with the malloc settings that child processes have; the two take turns.")
	d.pairs("off images/s", "on images/s", off, on)
	ratio := Median(ratios(on, off))
	d.verdict("a ratio of 0.95 or more, a cost of 5 % at most", ratio >= .95, fmt.Sprintf("%.3f", ratio))
	d.commands(append(off, on...))
}

// pairs adds a table of two programs that took turns.
func (d *document) pairs(base, ours string, bases, others Results) {
	rows := [][]string{{"pair", base, ours, "ratio"}}
	r := ratios(others, bases)
	for i := range bases {
		rows = append(rows, []string{strconv.Itoa(i + 1), fmt.Sprintf("%.1f", bases[i].Value), fmt.Sprintf("%.1f", others[i].Value), fmt.Sprintf("%.3f", r[i])})
	}
	rows = append(rows, []string{
		"**median**", fmt.Sprintf("**%.1f**", Median(bases.values())), fmt.Sprintf("**%.1f**", Median(others.values())),
		fmt.Sprintf("**%.3f** (%.3f to %.3f)", Median(r), slices.Min(r), slices.Max(r)),
	})
	d.table(rows)
}

// ratios are a ÷ b, pair by pair.
func ratios(a, b Results) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i].Value / b[i].Value
	}
	return r
}

// verdict says whether a target is met, and with which figure.
func (d *document) verdict(target string, met bool, figure string) {
	word := "missed"
	if met {
		word = "met"
	}
	d.line("Target: %s: **%s**, with %s.", target, word, figure)
}

// tasks tells what the system itself costs.
func (d *document) tasks(rs Results) {
	rate, memory := rs.where(Tasks), rs.where(Memory)
	if len(rate) == 0 {
		return
	}
	d.line("## Tasks per second and memory")
	d.line("Operation `none`: no file is read, load probability 0, through client, server and nodes.")
	rows := [][]string{{"tasks in the job", "tasks/s, median", "lowest", "highest", "runs", "server's peak memory, MB"}}
	for _, tasks := range rate.distinct("tasks") {
		of := rate.where(Tasks, "tasks", tasks).values()
		peak := "–"
		if m := memory.where(Memory, "tasks", tasks, "program", "server"); len(m) > 0 {
			peak = fmt.Sprintf("%.1f", m.first().Value)
		}
		rows = append(rows, []string{tasks, fmt.Sprintf("%.0f", Median(of)), fmt.Sprintf("%.0f", slices.Min(of)), fmt.Sprintf("%.0f", slices.Max(of)), strconv.Itoa(len(of)), peak})
	}
	d.table(rows)
	if server := memory.where(Memory, "program", "server"); len(server) > 0 {
		d.verdict("150 MB resident or less, for the server in a job of "+server.first().Params["tasks"]+" tasks",
			server.first().Value <= 150, fmt.Sprintf("%.1f MB", server.first().Value))
	}
	d.commands(append(rate, memory...))
}
