package report

import (
	"cmp"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// fewPoints is up to how many points of a curve are marked: each was measured, and what
// is between them was not.
const fewPoints = 15

// mark is a measured point of a curve, with the interval of its mean where there is one.
type mark struct {
	plotter.XY
	low, high float64
}

// marks are drawn over their curve.
type marks struct {
	all    []mark
	colour color.Color
}

// add takes a point in.
func (c *curve) add(at plotter.XY, r Result) {
	m := mark{XY: at, low: at.Y, high: at.Y}
	if r.bounded() {
		m.low, m.high = r.Low, r.High
	}
	c.points, c.marks = append(c.points, at), append(c.marks, m)
}

// sort orders the points from the left to the right.
func (c *curve) sort() {
	slices.SortStableFunc(c.points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
}

// Plot implements plot.Plotter.
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	stroke := draw.LineStyle{Color: m.colour, Width: 1}
	for _, one := range m.all {
		x := toX(one.X)
		if one.high > one.low {
			low, high := max(toY(one.low), c.Min.Y), min(toY(one.high), c.Max.Y)
			c.StrokeLine2(stroke, x, low, x, high)
			c.StrokeLine2(stroke, x-2, low, x+2, low)
			c.StrokeLine2(stroke, x-2, high, x+2, high)
		}
		c.DrawGlyph(draw.GlyphStyle{Color: m.colour, Radius: 2.2, Shape: draw.CircleGlyph{}}, vg.Point{X: x, Y: toY(one.Y)})
	}
}
