package report

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figureWidth is small enough for letters to be read on a phone, where a figure is
// scaled down to the screen.
const figureWidth = 15 * vg.Centimeter

// figure is one plot of the report on scenarios.
type figure struct {
	// Name is that of its file, without the ending.
	Name string
	// Caption says what it shows, and how to read it.
	Caption string
	height  vg.Length
	plot    *plot.Plot
}

// newFigure is a plot without anything in it; titles are those of the two axes.
func newFigure(x, y string) *plot.Plot {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		letters(&axis.Label.TextStyle, 10)
		letters(&axis.Tick.Label, 9)
		axis.Label.Padding = 3
		axis.Tick.Marker = evenTicks{}
	}
	return p
}

// grid adds lines across the plot at the ticks, under all that is added later.
func grid(p *plot.Plot, vertical, horizontal bool) {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = faint(), faint()
	if !vertical {
		g.Vertical.Width = 0
	}
	if !horizontal {
		g.Horizontal.Width = 0
	}
	p.Add(g)
}

// draw draws the figure on a canvas of its size.
func (f figure) draw(c vg.CanvasSizer) {
	const edge = 2 * vg.Millimeter
	f.plot.Draw(draw.Crop(draw.New(c), edge, -edge, edge, -edge))
}

// SVG is the figure for a page: it takes the width that there is, and its black is
// the colour of the text around it.
func (f figure) SVG() (template.HTML, error) {
	canvas := vgsvg.New(figureWidth, f.height)
	f.plot.BackgroundColor = nil
	f.draw(canvas)
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return "", err
	}
	// The head declares name spaces, which a page has by itself, and a size.
	_, body, found := strings.Cut(out.String(), "xlink\">\n")
	if !found {
		return "", fmt.Errorf("figure %s: the head of the SVG is not known", f.Name)
	}
	body = strings.NewReplacer(
		"stroke:#000000", "stroke:currentColor",
		"#E0E0E0", "var(--faint)", "#888888", "var(--soft)",
		"font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "",
		"\n\tstyle", " style",
	).Replace(body)
	head := fmt.Sprintf(`<svg viewBox="0 0 %.5g %.5g" role="img" aria-label="%s">`+"\n",
		figureWidth.Points(), f.height.Points(), template.HTMLEscapeString(f.Caption))
	return template.HTML(head + body), nil //nolint:gosec // the canvas escapes the text that it draws
}

// PNG writes the figure into dir.
func (f figure) PNG(dir string) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(figureWidth, f.height), vgimg.UseDPI(144))}
	f.draw(canvas)
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, f.Name+".png"), out.Bytes(), 0o644)
}

// fileName makes one word of parts, which come from a results file and may hold
// anything.
func fileName(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r)) {
			return r
		}
		return '_'
	}, strings.Join(parts, "-"))
}

// evenTicks are about five ticks at round values. The default ones search long where
// values are very large.
type evenTicks struct{}

// Ticks implements plot.Ticker.
func (evenTicks) Ticks(low, high float64) []plot.Tick {
	step := rounded((high-low)/5, math.Ceil)
	if !(step > 0) || math.IsInf(step, 0) {
		return nil
	}
	for _, round := range []float64{1, 2, 5, 10} { // the next of these digits
		if unit := math.Pow(10, math.Floor(math.Log10(step)+1e-9)); step <= unit*round*(1+1e-9) {
			step = unit * round
			break
		}
	}
	var ticks []plot.Tick
	first := math.Ceil(low/step - 1e-9)
	for i := range 12 {
		if v := (first + float64(i)) * step; v <= high+step*1e-9 {
			ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
		}
	}
	return ticks
}

// logTicks are ticks of an axis with a logarithmic scale.
type logTicks struct{ format func(float64) string }

// Ticks implements plot.Ticker: every power of ten has a label, and 2 and 5 of it
// where there are few.
func (t logTicks) Ticks(low, high float64) []plot.Tick {
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	var ticks []plot.Tick
	for e := from; e <= to; e++ {
		for m := 1.; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			tick := plot.Tick{Value: v}
			if m == 1 || (to-from <= 3 && (m == 2 || m == 5)) {
				tick.Label = t.format(v)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// logarithmic gives an axis a logarithmic scale, from and to round values around
// low and high, which are above 0.
func logarithmic(a *plot.Axis, low, high float64, format func(float64) string) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, logTicks{format}
	a.Min, a.Max = rounded(low, math.Floor), rounded(high, math.Ceil)
	if a.Min == a.Max {
		a.Min, a.Max = a.Min/2, a.Max*2
	}
}

// rounded is v with one digit, down or up.
func rounded(v float64, way func(float64) float64) float64 {
	digit := math.Pow(10, math.Floor(math.Log10(v)))
	return way(v/digit) * digit
}
