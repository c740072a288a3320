package report

import (
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// endLabels are the names of curves, at the right of the plot and as near to their
// ends as they can be without covering each other. Each has a piece of its curve.
type endLabels []endLabel

// endLabel is one of them.
type endLabel struct {
	y     float64
	text  string
	style draw.LineStyle
}

const (
	labelSize  = 9
	labelGap   = vg.Length(11.5)
	swatchSize = vg.Length(14)
	swatchRoom = swatchSize + 9
)

// labelStyle is that of labels within plots.
func labelStyle() text.Style {
	s := text.Style{Color: color.Black, Font: font.From(plot.DefaultFont, labelSize), YAlign: -.35, Handler: plot.DefaultTextHandler}
	letters(&s, labelSize)
	return s
}

// Plot implements plot.Plotter.
func (l endLabels) Plot(c draw.Canvas, p *plot.Plot) {
	_, toY := p.Transforms(&c)
	labels := slices.Clone(l)
	slices.SortStableFunc(labels, func(a, b endLabel) int { return cmp.Compare(a.y, b.y) })
	places := make([]vg.Length, len(labels))
	for i, label := range labels {
		places[i] = min(max(toY(label.y), c.Min.Y), c.Max.Y)
	}
	spread(places, c.Min.Y, c.Max.Y)
	style := labelStyle()
	for i, label := range labels {
		x := c.Max.X + 4
		c.StrokeLine2(label.style, x, places[i], x+swatchSize, places[i])
		c.FillText(style, vg.Point{X: x + swatchSize + 3, Y: places[i]}, label.text)
	}
}

// GlyphBoxes implements plot.GlyphBoxer: it asks for the room at the right.
func (l endLabels) GlyphBoxes(*plot.Plot) []plot.GlyphBox {
	style := labelStyle()
	var widest vg.Length
	for _, label := range l {
		widest = max(widest, style.Width(label.text))
	}
	return []plot.GlyphBox{{X: 1, Y: .5, Rectangle: vg.Rectangle{Max: vg.Point{X: swatchRoom + widest}}}}
}

// spread moves places, which rise, apart until each has labelGap, near to where they
// were: neighbours that touch make a block, which is centred on the mean of their
// wishes, as when lines of a paragraph push each other.
func spread(places []vg.Length, low, high vg.Length) {
	type block struct {
		first, n int
		sum      vg.Length // of the wished place of the first, by each member
	}
	var blocks []block
	start := func(b block) vg.Length {
		room := vg.Length(b.n-1) * labelGap
		return min(max(b.sum/vg.Length(b.n), low), max(low, high-room))
	}
	for i, place := range places {
		b := block{first: i, n: 1, sum: place}
		for len(blocks) > 0 {
			last := blocks[len(blocks)-1]
			if start(last)+vg.Length(last.n)*labelGap <= start(b) {
				break
			}
			b = block{last.first, last.n + b.n, last.sum + b.sum - vg.Length(b.n*last.n)*labelGap}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	for _, b := range blocks {
		for k := range b.n {
			places[b.first+k] = start(b) + vg.Length(k)*labelGap
		}
	}
}

// rowNames are ticks with names on an axis of rows.
type rowNames []string

// Ticks implements plot.Ticker.
func (r rowNames) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for i, name := range r {
		if at := float64(i); at >= low && at <= high && name != "" {
			ticks = append(ticks, plot.Tick{Value: at, Label: name})
		}
	}
	return ticks
}

// positive are the least and the greatest of the values above 0; ok is false where
// there are none.
func positive(values []float64) (low, high float64, ok bool) {
	low, high = math.Inf(1), 0
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			low, high, ok = min(low, v), max(high, v), true
		}
	}
	return low, high, ok
}
