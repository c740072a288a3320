package report

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// figuresOf are the plots of a scenario, of what was measured there.
func figuresOf(id string, of Results) ([]figure, error) {
	b := figureBuilder{id: id, of: of}
	b.dots("makespan_ratio", "makespan ÷ bound", 1, "Makespan ÷ bound; the dotted line is the bound, which nobody can beat.")
	if len(of.where(Metric, "metric", "makespan_ratio")) == 0 {
		b.dots("makespan", "makespan", 0, "Makespan of the job.")
	}
	b.curves(CDF, []string{"q"}, tailFigure,
		"Latency that a part of the tasks does not exceed. To the right are ever fewer and slower tasks, and both axes are logarithmic, so that the tail is as wide as the middle. Lower is better.")
	b.dots("p99", "p99 latency", 0, "Latency that 99 % of the tasks do not exceed.")
	b.curves(Goodput, []string{"offered"}, goodputFigure,
		"Goodput by offered load: the work of the tasks that were done in time ÷ the capacity. The dotted line is what is possible: everything up to the capacity, and beyond it the capacity. Dots are means, and bars their 95 % intervals.")
	b.controllers()
	const worthSeeing = 1.05
	if slices.ContainsFunc(of.where(Metric, "metric", "attempts"), func(r Result) bool { return r.Value > worthSeeing }) {
		b.dots("attempts", "attempts a task", 1, "Attempts a task; the dotted line is one, the least there can be.")
	}
	b.moments()
	b.shares()
	b.gantts()
	b.dots("decision", "time of a decision", 0, "What it takes to choose a node.")
	return b.figures, b.err
}

// figureBuilder collects the figures of a scenario, and the first error.
type figureBuilder struct {
	id      string
	of      Results
	figures []figure
	err     error
}

// add takes a figure in, where there is one.
func (b *figureBuilder) add(p *plot.Plot, height vg.Length, caption string, name ...string) {
	if p == nil {
		return
	}
	file := fileName(append([]string{"policies", b.id}, name...)...)
	for n, taken := 2, file; b.has(file); n++ {
		file = fmt.Sprintf("%s-%d", taken, n)
	}
	b.figures = append(b.figures, figure{Name: file, Caption: caption, height: height, plot: p})
}

// take takes over what another builder made beyond the figures of b.
func (b *figureBuilder) take(of figureBuilder) {
	b.figures = of.figures
	if b.err == nil {
		b.err = of.err
	}
}

func (b *figureBuilder) has(file string) bool {
	return slices.ContainsFunc(b.figures, func(f figure) bool { return f.Name == file })
}

// dots adds the figure of a metric with a row a policy, where two or more have it.
func (b *figureBuilder) dots(word, title string, mark float64, caption string) {
	of := b.of.where(Metric, "metric", word)
	if len(of) < 2 {
		return
	}
	t, _ := metric(word)
	of = slices.DeleteFunc(of, func(r Result) bool { return r.Unit != of[0].Unit })
	p, height := dotFigure(of, title, t.lower, mark)
	if of.bounded() {
		caption += " Dots are means, and bars their 95 % intervals."
	}
	b.add(p, height, noted(caption, of), word)
}

// bounded tells whether any result has an interval.
func (rs Results) bounded() bool { return slices.ContainsFunc(rs, Result.bounded) }

// curves adds a figure for each setting of the results of a name; own are the
// parameters that its curves run over.
func (b *figureBuilder) curves(name string, own []string, draw func(Results) (*plot.Plot, error), caption string) {
	groups := groupsOf(b.of.where(name), own...)
	for _, g := range groups {
		p, err := draw(g.results)
		if err != nil {
			b.err = fmt.Errorf("plot of %s: %w", name, err)
			return
		}
		b.add(p, curveHeight, noted(in(g.label)+caption, g.results), name, g.label)
	}
}

// noted is a caption that ends with how many observations the figure has.
func noted(caption string, of Results) string {
	return strings.TrimSpace(caption + " " + of.observed("policy"))
}

// in begins a caption with the setting of its figure.
func in(label string) string {
	if label == "" {
		return ""
	}
	return "At " + label + ". "
}

// moments adds figures over time.
func (b *figureBuilder) moments() {
	captions := map[string]string{
		"goodput": "Goodput over time: the part of the tasks that came then that were done before their deadlines.",
		"latency": "Latency over time, of the tasks that came then.",
	}
	all := b.of.where(Moment)
	for _, word := range all.distinct("metric") {
		caption := captions[word]
		if caption == "" {
			caption = title(word) + " over time."
		}
		of := &figureBuilder{id: b.id, of: all.where(Moment, "metric", word), figures: b.figures}
		of.curves(Moment, []string{"at"}, func(rs Results) (*plot.Plot, error) { return momentFigure(rs, title(word)) }, caption)
		b.take(*of)
	}
}

// shares adds the figure of who got the first sends: of the node that tells the policies
// apart the most.
func (b *figureBuilder) shares() {
	all := b.of.where(Share)
	node, widest := "", -1.
	for _, name := range all.distinct("node") {
		low, high := 1., 0.
		for _, r := range all.where(Share, "node", name) {
			low, high = min(low, r.Value), max(high, r.Value)
		}
		if high-low > widest {
			node, widest = name, high-low
		}
	}
	caption := fmt.Sprintf("Part of the first sends that node %s got, as the policies come to know it.", node)
	if n := len(all.distinct("node")); n > 1 {
		caption += fmt.Sprintf(" Of %d nodes it is the one that tells the policies apart the most.", n)
	}
	of := figureBuilder{id: b.id, of: all.where(Share, "node", node), figures: b.figures}
	of.curves(Share, []string{"step", "node"}, shareFigure, caption)
	b.take(of)
}

// gantts adds a chart for each policy. Those of one setting end at the same time, so
// that they can be held against each other, unless some would be too short to be seen.
func (b *figureBuilder) gantts() {
	all := b.of.where(Span)
	longest := ends(all)
	end := 0.
	for _, at := range longest {
		end = max(end, at)
	}
	own := []string{"node", "start", "copy", "done", "task"}
	b.perPolicy(all, Span, func(g group, policy string) {
		until, axis := end, " All charts here end at the same time."
		if longest[policy] < end/10 {
			until, axis = longest[policy], fmt.Sprintf(" This chart ends after %s, the longest one after %s.", seconds(longest[policy]), seconds(end))
		}
		if len(longest) == 1 {
			axis = ""
		}
		p, height, note := ganttFigure(g.results, until)
		b.add(p, height, in(g.label)+"Policy "+policy+": what ran where. Waiting, injected delays and rejections take no slot and are not drawn."+note+axis, "gantt", policy, g.label)
	}, own...)
}

// perPolicy calls draw with the results of each policy and setting.
func (b *figureBuilder) perPolicy(all Results, name string, draw func(g group, policy string), own ...string) {
	for _, policy := range all.distinct("policy") {
		for _, g := range groupsOf(all.where(name, "policy", policy), own...) {
			draw(g, policy)
		}
	}
}
