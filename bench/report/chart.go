package report

import (
	"image/color"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The size of every picture.
const (
	width  = 20 * vg.Centimeter
	height = 11 * vg.Centimeter
	margin = 3 * vg.Millimeter
)

// chart is a plot of groups of bars beside each other.
type chart struct {
	*plot.Plot
	groups    []string
	group, at int // bars in a group, and how many are there
	barWidth  vg.Length
	highest   float64
}

// newChart makes a chart without bars: titles are those of the chart and of its
// axes, groups the names below the bars, group the number of bars in each.
func newChart(titles [3]string, groups []string, group int) *chart {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = titles[0], titles[1], titles[2]
	p.Title.Padding = 6
	letters(&p.Title.TextStyle, 14)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		letters(&axis.Label.TextStyle, 12)
		letters(&axis.Tick.Label, 11)
		axis.Label.Padding = 4
	}
	letters(&p.Legend.TextStyle, 11)
	p.Legend.Top, p.Legend.Padding = true, 2
	p.Y.Min, p.Y.Tick.Marker = 0, ticks{}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{0xe0}
	p.Add(grid)
	p.NominalX(groups...)
	const bars = width * 2 / 3 // of all bars together; the rest is between the groups
	return &chart{Plot: p, groups: groups, group: group, barWidth: bars / vg.Length(len(groups)*group)}
}

// letters sets a font without serifs, in points.
func letters(style *text.Style, size font.Length) {
	style.Font.Variant, style.Font.Size = "Sans", size
}

// ticks are the default ones, with labels as short as they can be.
type ticks struct{ plot.DefaultTicks }

// Ticks implements plot.Ticker.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	all := t.DefaultTicks.Ticks(low, high)
	for i := range all {
		if all[i].Label != "" {
			all[i].Label = strconv.FormatFloat(all[i].Value, 'g', 6, 64)
		}
	}
	return all
}

// offset is where the next bar of a group stands.
func (c *chart) offset() vg.Length {
	return c.barWidth * (vg.Length(c.at) - vg.Length(c.group-1)/2)
}

// bars adds one bar to each group.
func (c *chart) bars(name string, values []float64, fill color.Color) *plotter.BarChart {
	bars := c.stack(name, values, fill, nil)
	bars.Offset = c.offset()
	c.at++
	return bars
}

// stack adds one bar on top of another.
func (c *chart) stack(name string, values []float64, fill color.Color, on *plotter.BarChart) *plotter.BarChart {
	bars := &plotter.BarChart{Values: values, Width: c.barWidth, Color: fill, LineStyle: draw.LineStyle{Color: color.White, Width: .5}}
	if on != nil {
		bars.StackOn(on)
	}
	for i := range values {
		c.highest = max(c.highest, bars.BarHeight(i))
	}
	c.Add(bars)
	c.Legend.Add(name, bars)
	return bars
}

// whiskers adds the 95 % intervals of the bars that were added last.
func (c *chart) whiskers(of Results) error {
	marks := intervals(of)
	bars, err := plotter.NewYErrorBars(marks)
	if err != nil {
		return err
	}
	bars.Width = 1
	c.Add(shifted{bars, c.offset() - c.barWidth})
	return nil
}

// save writes the chart; the legend has room above the bars.
func (c *chart) save(file string) error {
	c.X.Min, c.X.Max = -.55, float64(len(c.groups))-.45
	c.Y.Max = c.highest * 1.55
	return c.write(file)
}

// write makes the PNG, with a margin around the chart.
func (c *chart) write(file string) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(120))}
	c.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
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

// shifted draws its plotter beside its place, as bars of a group are.
type shifted struct {
	plot.Plotter
	by vg.Length
}

// Plot implements plot.Plotter.
func (s shifted) Plot(c draw.Canvas, p *plot.Plot) {
	c.Min.X += s.by
	c.Max.X += s.by
	s.Plotter.Plot(c, p)
}

// intervals are means with their bounds, for error bars.
type intervals Results

// Len implements plotter.XYer.
func (v intervals) Len() int { return len(v) }

// XY implements plotter.XYer.
func (v intervals) XY(i int) (x, y float64) { return float64(i), v[i].Value }

// YError implements plotter.YErrorer.
func (v intervals) YError(i int) (low, high float64) {
	return v[i].Value - v[i].Low, v[i].High - v[i].Value
}
