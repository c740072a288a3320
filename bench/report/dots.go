package report

import (
	"cmp"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// rowHeight is that of a row of dots.
const rowHeight = vg.Length(13)

// dot is a mean with its interval, in a row of its own.
type dot struct {
	row              int
	value, low, high float64
	text             string
	colour           color.Color
}

// dots are drawn with whiskers, and with their values beside them.
type dots []dot

// Plot implements plot.Plotter.
func (d dots) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	style := labelStyle()
	for _, one := range d {
		x, y := toX(one.value), toY(float64(one.row))
		right := x
		if one.high > one.low {
			stroke := draw.LineStyle{Color: one.colour, Width: 1.4}
			right = max(x, toX(one.high))
			c.StrokeLine2(stroke, toX(one.low), y, right, y)
			c.StrokeLine2(stroke, toX(one.low), y-2.5, toX(one.low), y+2.5)
			c.StrokeLine2(stroke, right, y-2.5, right, y+2.5)
		}
		c.DrawGlyph(draw.GlyphStyle{Color: one.colour, Radius: 3, Shape: draw.CircleGlyph{}}, vg.Point{X: x, Y: y})
		c.FillText(style, vg.Point{X: right + 6, Y: y}, one.text)
	}
}

// GlyphBoxes implements plot.GlyphBoxer: values at the right want room.
func (d dots) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	style := labelStyle()
	boxes := make([]plot.GlyphBox, 0, len(d))
	for _, one := range d {
		box := vg.Rectangle{Min: vg.Point{X: -4, Y: -4}, Max: vg.Point{X: 8 + style.Width(one.text), Y: 4}}
		boxes = append(boxes, plot.GlyphBox{X: p.X.Norm(max(one.value, one.high)), Y: p.Y.Norm(float64(one.row)), Rectangle: box})
	}
	return boxes
}

// dotFigure has a row a policy, the best on top, in a block for each group. With mark
// above 0 there is a line at what cannot be beaten.
func dotFigure(of Results, title string, lower bool, mark float64) (p *plot.Plot, height vg.Length) {
	names, ds := rowsOf(of, lower)
	var all []float64
	for _, d := range ds {
		all = append(all, d.value, d.low, d.high)
	}
	low, high, ok := positive(append(all, mark))
	if !ok {
		return nil, 0
	}
	p = newFigure(title, "")
	unit := of.first().Unit
	switch {
	case high/low > 10:
		logarithmic(&p.X, low, high, func(v float64) string { return figureIn(v, unit) })
		for i := range ds { // what is 0 stands at the edge, and its text says so
			ds[i].value, ds[i].low = max(ds[i].value, p.X.Min), max(ds[i].low, p.X.Min)
		}
		p.X.Label.Text += " (logarithmic)"
	case mark > 0:
		p.X.Min, p.X.Max = min(low, mark), high+(high-low)*.02
	default:
		p.X.Min, p.X.Max = 0, high
	}
	p.Y.Min, p.Y.Max = -.7, float64(len(names))-.3
	p.Y.Tick.Marker, p.Y.Tick.Length, p.Y.Width = rowNames(names), 0, 0
	grid(p, true, false)
	if mark > 0 {
		p.Add(upright{mark})
	}
	p.Add(ds)
	return p, rowHeight*vg.Length(len(names)) + 48
}

// upright is a line at a value of the X axis.
type upright struct{ at float64 }

// Plot implements plot.Plotter.
func (u upright) Plot(c draw.Canvas, p *plot.Plot) {
	toX, _ := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: color.Black, Width: 1, Dashes: []vg.Length{2, 2}}, toX(u.at), c.Min.Y, toX(u.at), c.Max.Y)
}

// rowsOf are the names of rows from the bottom up, and a dot for each policy.
func rowsOf(of Results, lower bool) (names []string, ds dots) {
	groups := groupsOf(of)
	slices.Reverse(groups)
	for _, g := range groups {
		sorted := slices.Clone(g.results)
		slices.SortStableFunc(sorted, func(a, b Result) int { // the best last, which is on top
			if lower {
				return cmp.Compare(b.Value, a.Value)
			}
			return cmp.Compare(a.Value, b.Value)
		})
		for _, r := range sorted {
			d := dot{row: len(names), value: r.Value, text: figureIn(r.Value, r.Unit), colour: lookOf(r.Params["policy"]).colour}
			d.low, d.high = r.Value, r.Value
			if r.bounded() {
				d.low, d.high = r.Low, r.High
			}
			ds = append(ds, d)
			names = append(names, r.Params["policy"])
		}
		if len(groups) > 1 {
			names = append(names, g.label+":")
		}
	}
	return names, ds
}
