package report

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bounds of a Gantt chart: more than that is neither seen nor printed.
const (
	mostRows  = 24
	mostSpans = 1500
)

// spans are attempts on nodes over time.
type spans []span

// span is one of them.
type span struct {
	row        int
	start, end float64
	fill       color.Color
}

// Plot implements plot.Plotter.
func (s spans) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	half := (toY(1) - toY(0)) * .38
	for _, one := range s {
		left, right := toX(one.start), toX(one.end)
		right = max(right, left+.6) // an attempt that took no time is still seen
		y := toY(float64(one.row))
		inset := min(.25, (right-left)/4) // tells attempts apart that follow at once
		c.FillPolygon(one.fill, []vg.Point{
			{X: left, Y: y - half},
			{X: right - inset, Y: y - half},
			{X: right - inset, Y: y + half},
			{X: left, Y: y + half},
		})
	}
}

// spanKinds are what attempts came to, as a Gantt chart tells them apart.
func spanKinds() []endLabel {
	kind := func(text string, c color.Color) endLabel {
		return endLabel{text: text, style: draw.LineStyle{Color: c, Width: 6}}
	}
	return []endLabel{kind("done", blue()), kind("done, a copy", green()), kind("not done", orange()), kind("not done, a copy", purple())}
}

// kindOf is the index among spanKinds of an attempt.
func kindOf(r Result) int {
	kind := 0
	if r.Params["done"] == "false" {
		kind = 2
	}
	if c := r.Params["copy"]; c != "" && c != "false" && c != "0" {
		kind++
	}
	return kind
}

// ganttFigure has a row a node, and a bar for each attempt that ran there. It ends at
// the time end, so that charts can be held against each other. note says what is left
// out.
func ganttFigure(of Results, end float64) (p *plot.Plot, height vg.Length, note string) {
	nodes := of.distinct("node")
	slices.SortStableFunc(nodes, byNumber)
	shown, note := someNodes(of, nodes)
	slices.Reverse(shown) // the first on top
	rows := map[string]int{}
	for i, node := range shown {
		rows[node] = i
	}
	kinds, used := spanKinds(), map[int]bool{}
	var all spans
	for _, r := range of {
		row, ok := rows[r.Params["node"]]
		if start := r.parameter("start"); ok && start >= 0 && r.Value >= 0 {
			kind := kindOf(r)
			used[kind] = true
			all = append(all, span{row, start, start + r.Value, kinds[kind].style.Color})
		}
	}
	if len(all) == 0 {
		return nil, 0, ""
	}
	p = newFigure("seconds since the start", "node")
	p.X.Min, p.X.Max = 0, end
	p.Y.Min, p.Y.Max = -.6, float64(len(shown))-.4
	p.Y.Tick.Marker, p.Y.Tick.Length = rowNames(shown), 0
	grid(p, true, false)
	p.Add(all)
	var legend endLabels
	for i, k := range kinds {
		if used[i] {
			k.y = float64(len(shown)) * (1 - float64(i)/4)
			legend = append(legend, k)
		}
	}
	p.Add(legend)
	return p, max(rowHeight*vg.Length(len(shown))+48, 100), note
}

// someNodes are those that a chart has room for, evenly chosen among all.
func someNodes(of Results, nodes []string) (shown []string, note string) {
	perNode := max(1, len(of)/len(nodes))
	room := min(mostRows, max(2, mostSpans/perNode))
	if len(nodes) <= room {
		return slices.Clone(nodes), ""
	}
	for i := range room {
		shown = append(shown, nodes[i*len(nodes)/room])
	}
	return shown, fmt.Sprintf(" Of %d nodes, %d are shown, evenly chosen by their order.", len(nodes), room)
}

// byNumber orders names such as node_2 and node_10 by their numbers.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(lastNumber(a), lastNumber(b)), cmp.Compare(a, b))
}

// lastNumber is the number that a name ends with, −1 where there is none.
func lastNumber(name string) int {
	at := len(name)
	for at > 0 && name[at-1] >= '0' && name[at-1] <= '9' {
		at--
	}
	n, err := strconv.Atoi(name[at:])
	if err != nil {
		return -1
	}
	return n
}

// ends is when the last of the attempts of each policy ended.
func ends(of Results) map[string]float64 {
	last := map[string]float64{}
	for _, r := range of {
		word := r.Params["policy"]
		last[word] = max(last[word], r.parameter("start")+r.Value)
	}
	return last
}
