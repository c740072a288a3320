package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// controllerTables have a row for each controller and a column for each load: one of
// every metric of every policy that the controllers are held against each other with.
func controllerTables(of Results) []table {
	var tables []table
	all := of.where(Controller)
	for _, policy := range all.distinct("policy") {
		for _, metric := range all.distinct("metric") {
			if some := all.where(Controller, "policy", policy, "metric", metric); len(some) > 0 {
				tables = append(tables, controllerTable(policy, metric, some))
			}
		}
	}
	return tables
}

func controllerTable(policy, metric string, of Results) table {
	t := table{Label: fmt.Sprintf("Controllers under %s: %s, by load", policy, title(metric)), Head: []string{"controller"}, Note: of.observed("admission")}
	loads := of.distinct("offered")
	for _, load := range loads {
		t.Head = append(t.Head, load+" × capacity")
	}
	for _, name := range of.distinct("admission") {
		line := row{Policy: name}
		for _, load := range loads {
			r := of.where(Controller, "admission", name, "offered", load).first()
			line.Cells = append(line.Cells, cell{Value: r.written(), Interval: r.interval()})
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// controllers adds a figure for each policy that controllers are held against each other
// with: their goodputs by load.
func (b *figureBuilder) controllers() {
	all := b.of.where(Controller, "metric", "goodput_work")
	for _, policy := range all.distinct("policy") {
		of := all.where(Controller, "policy", policy)
		p, alike, err := controllerFigure(of)
		if err != nil {
			b.err = fmt.Errorf("plot of controllers: %w", err)
			return
		}
		caption := "Admission controllers of the nodes under " + policy + ": goodput ÷ what is possible, by offered load; 1 is the best there can be."
		if of.bounded() {
			caption += " Dots are means, and bars their 95 % intervals."
		}
		parts := []string{caption}
		for _, names := range alike {
			parts = append(parts, fmt.Sprintf("The same for each load: %s.", strings.Join(names, ", ")))
		}
		b.add(p, curveHeight, strings.Join(append(parts, of.observed("admission")), " "), "controllers", policy)
	}
}

// controllerFigure has a curve for each controller. Those that came to the same for each
// load have one together, and are named in alike.
func controllerFigure(of Results) (p *plot.Plot, alike [][]string, err error) {
	p = newFigure("offered load ÷ capacity", "goodput ÷ what is possible")
	var curves []curve
	var named [][]string
	lowest := 1.
	for _, name := range of.distinct("admission") {
		c := curve{name: name}
		for _, r := range of.where(Controller, "admission", name) {
			if x := r.parameter("offered"); x > 0 {
				c.add(plotter.XY{X: x, Y: r.Value}, r)
				lowest = min(lowest, r.Value)
			}
		}
		c.sort()
		same := slices.IndexFunc(curves, func(other curve) bool { return slices.Equal(c.points, other.points) })
		if same >= 0 {
			named[same] = append(named[same], name)
			continue
		}
		c.style = draw.LineStyle{Color: palette(len(curves)), Width: 1.6}
		curves, named = append(curves, c), append(named, []string{name})
	}
	for i, names := range named {
		if n := len(names) - 1; n > 0 {
			curves[i].name = fmt.Sprintf("%s and %d more", names[0], n)
			alike = append(alike, names)
		}
	}
	if len(curves) == 0 || len(curves[0].points) == 0 {
		return nil, nil, nil
	}
	grid(p, false, true)
	p.Y.Min, p.Y.Max = max(0, math.Floor(lowest*10-1)/10), 1.05
	return p, alike, addCurves(p, curves)
}

// observed says of how many observations the results are means, by a parameter where not
// all have as many; "" where nothing tells.
func (rs Results) observed(by string) string {
	names := map[int][]string{}
	var counts []int
	for _, r := range rs {
		if r.N == 0 {
			continue
		}
		if names[r.N] == nil {
			counts = append(counts, r.N)
		}
		if name := r.Params[by]; !slices.Contains(names[r.N], name) {
			names[r.N] = append(names[r.N], name)
		}
	}
	slices.SortFunc(counts, func(a, b int) int { return cmp.Compare(b, a) })
	switch len(counts) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("N = %d.", counts[0])
	}
	parts := make([]string, len(counts))
	for i, n := range counts {
		parts[i] = fmt.Sprintf("%d (%s)", n, strings.Join(names[n], ", "))
	}
	return "N = " + strings.Join(parts, ", ") + "."
}
