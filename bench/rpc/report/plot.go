package report

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"spillway/bench/rpc/peer"
)

// The size of every picture.
const (
	width  = 27 * vg.Centimeter
	height = 12 * vg.Centimeter
	margin = 3 * vg.Millimeter
)

// fills are the colours of Okabe and Ito, which people who see colours
// differently can tell apart.
func fills() []color.Color {
	return []color.Color{
		color.RGBA{0x00, 0x72, 0xb2, 0xff},
		color.RGBA{0xe6, 0x9f, 0x00, 0xff},
		color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff},
		color.RGBA{0x99, 0x99, 0x99, 0xff},
	}
}

// Plots writes STEM-ratio.png, calls/s of each peer as multiples of the base's,
// with our targets, and STEM-p99.png. Peers that were not measured under every
// case have no bars. Errors: a picture cannot be written.
func Plots(rs Results, stem string) error {
	ratios, latencies := newBars(rs.Cases), newBars(rs.Cases)
	for i, p := range rs.everywhere() {
		fill := fills()[i%len(fills())]
		if p != peer.Base {
			ratios.add(p, fill, func(c string) spread { return rs.ratio(c, p, peer.Base, callsPerSecond) })
		}
		latencies.add(p, fill, func(c string) spread { return rs.spread(c, p, p99) })
	}
	ratios.level = 1
	for _, t := range targets() {
		if t.ratio && t.least {
			ratios.targets[t.c] = t.want
		}
	}
	for _, pic := range []struct {
		file, title, y string
		b              *bars
		log            bool
	}{
		{stem + "-ratio.png", "Calls/s ÷ those of " + peer.Base + " in the same round (black: target)", "× " + peer.Base, ratios, false},
		{stem + "-p99.png", "p99 of a call", "µs", latencies, true},
	} {
		if pic.b.empty() {
			continue
		}
		if err := pic.b.save(pic.file, [2]string{pic.title, pic.y}, pic.log); err != nil {
			return fmt.Errorf("plot %s: %w", pic.file, err)
		}
	}
	return nil
}

// everywhere are the peers with a sample of each case.
func (rs Results) everywhere() []string {
	var names []string
	for _, p := range rs.Peers {
		all := true
		for _, c := range rs.Cases {
			all = all && rs.has(c, p.Name)
		}
		if all {
			names = append(names, p.Name)
		}
	}
	return names
}

// bars are groups of bars beside each other, a group a case and a row a peer,
// each with a whisker from its lowest to its highest. Unlike the plotter's own,
// they can stand on a logarithmic axis.
type bars struct {
	cases   []string
	names   []string // of the rows, as their fills
	fills   []color.Color
	rows    [][]spread
	level   float64            // a line across; 0: none
	targets map[string]float64 // of the first row, by case
}

func newBars(cases []string) *bars { return &bars{cases: cases, targets: map[string]float64{}} }

// add adds a row.
func (b *bars) add(name string, fill color.Color, of func(c string) spread) {
	row := make([]spread, len(b.cases))
	for i, c := range b.cases {
		row[i] = of(c)
	}
	b.names, b.fills, b.rows = append(b.names, name), append(b.fills, fill), append(b.rows, row)
}

// empty tells whether there is nothing to draw.
func (b *bars) empty() bool {
	for _, row := range b.rows {
		if slices.ContainsFunc(row, func(s spread) bool { return s.n > 0 }) {
			return false
		}
	}
	return true
}

// bounds are the lowest and the highest of all that is drawn.
func (b *bars) bounds() (low, high float64) {
	low, high = math.Inf(1), b.level
	for _, row := range b.rows {
		for _, s := range row {
			if s.n > 0 {
				low, high = min(low, s.low), max(high, s.high)
			}
		}
	}
	for i, c := range b.cases {
		if want, ok := b.targets[c]; ok && b.rows[0][i].n > 0 {
			high = max(high, want)
		}
	}
	return low, high
}

// Plot implements plot.Plotter.
func (b *bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	floor := y(p.Y.Min)
	each := .8 / float64(len(b.rows))
	if b.level > 0 {
		c.StrokeLine2(draw.LineStyle{Color: color.Gray{0x60}, Width: .8}, c.Min.X, y(b.level), c.Max.X, y(b.level))
	}
	for r, row := range b.rows {
		for g, s := range row {
			if s.n == 0 {
				continue
			}
			from := float64(g) - .4 + float64(r)*each
			left, right, top := x(from), x(from+each*.92), y(s.median)
			c.FillPolygon(b.fills[r], []vg.Point{{X: left, Y: floor}, {X: left, Y: top}, {X: right, Y: top}, {X: right, Y: floor}})
			middle := (left + right) / 2
			c.StrokeLine2(draw.LineStyle{Color: color.Gray{0x30}, Width: .6}, middle, y(s.low), middle, y(s.high))
			if want, ok := b.targets[b.cases[g]]; ok && r == 0 {
				c.StrokeLine2(draw.LineStyle{Color: color.Black, Width: 2}, left-2, y(want), right+2, y(want))
			}
		}
	}
}

// save draws the bars with the picture's title and that of its height.
func (b *bars) save(file string, titles [2]string, log bool) error {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = titles[0], titles[1]
	p.Title.Padding = 6
	letters(&p.Title.TextStyle, 14)
	letters(&p.Y.Label.TextStyle, 12)
	letters(&p.X.Tick.Label, 9.5)
	letters(&p.Y.Tick.Label, 11)
	letters(&p.Legend.TextStyle, 11)
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{0xe0}
	p.Add(grid, b)
	labels := make([]string, len(b.cases))
	for i, c := range b.cases {
		labels[i] = strings.ReplaceAll(title(c), ", ", "\n")
	}
	p.NominalX(labels...)
	low, high := b.bounds()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -.5, float64(len(b.cases))-.5, 0, high*1.25 // room for the legend
	if log {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
		first, last := math.Floor(math.Log10(max(low, 1))), math.Ceil(math.Log10(max(high, 1)))
		p.Y.Min, p.Y.Max = math.Pow(10, first), math.Pow(10, max(last, first+1))
	}
	for i, name := range b.names {
		p.Legend.Add(name, swatch{b.fills[i]})
	}
	p.Legend.Top, p.Legend.Padding = true, 2
	p.Legend.Left = log // the side on which the bars are low
	return write(p, file)
}

// letters sets a font without serifs, in points.
func letters(style *text.Style, size font.Length) {
	style.Font.Variant, style.Font.Size = "Sans", size
}

// write makes the PNG, with a margin around the plot.
func write(p *plot.Plot, file string) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(120))}
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := canvas.WriteTo(out); err != nil {
		return err
	}
	return out.Close()
}

// swatch is a row's colour in the legend.
type swatch struct{ fill color.Color }

// Thumbnail implements plot.Thumbnailer.
func (s swatch) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(s.fill, []vg.Point{c.Min, {X: c.Min.X, Y: c.Max.Y}, c.Max, {X: c.Max.X, Y: c.Min.Y}})
}

// decades are the ticks of a logarithmic axis: the powers of ten.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for x := low; x <= high*1.01; x *= 10 {
		ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'f', -1, 64)})
	}
	return ticks
}

var _ plot.Plotter = (*bars)(nil)
