package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const curveHeight = 8.5 * vg.Centimeter

// curve is a line with a name at its end.
type curve struct {
	name   string
	style  draw.LineStyle
	points plotter.XYs
	marks  []mark
}

// addCurves adds lines, and their names at the right.
func addCurves(p *plot.Plot, curves []curve) error {
	var labels endLabels
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(c.points)
		if err != nil {
			return err
		}
		line.LineStyle = c.style
		p.Add(line)
		if len(c.marks) <= fewPoints {
			p.Add(marks{c.marks, c.style.Color})
		}
		labels = append(labels, endLabel{c.points[len(c.points)-1].Y, c.name, c.style})
	}
	p.Add(labels)
	return nil
}

// curvesOf makes a curve of each policy; at tells a point of a result, and false where
// it has none.
func curvesOf(of Results, at func(Result) (plotter.XY, bool)) []curve {
	var curves []curve
	policies := of.distinct("policy")
	slices.SortStableFunc(policies, func(a, b string) int { return drawn(a) - drawn(b) })
	for _, policy := range policies {
		c := curve{name: policy, style: lookOf(policy).line()}
		for _, r := range of {
			if r.Params["policy"] != policy {
				continue
			}
			if xy, ok := at(r); ok {
				c.add(xy, r)
			}
		}
		c.sort()
		curves = append(curves, c)
	}
	return curves
}

// drawn orders curves: the reference lies under all others, and the server's default
// above them.
func drawn(policy string) int {
	return map[string]int{"central": -1, "pull": 1}[policy]
}

// parameter is a parameter as a number; NaN where it is none that a plot can show.
func (r Result) parameter(name string) float64 {
	v, err := strconv.ParseFloat(r.Params[name], 64)
	if err != nil || math.Abs(v) > 1e15 {
		return math.NaN()
	}
	return v
}

// tailFigure has the latencies by the part of the tasks that take longer, both on
// logarithmic axes, so that one task in a thousand is seen as well as the median.
func tailFigure(of Results) (*plot.Plot, error) {
	p := newFigure("percentile of the tasks (each step is ten times fewer)", "latency")
	var all []float64
	least := 1.
	curves := curvesOf(of, func(r Result) (plotter.XY, bool) {
		q := r.parameter("q")
		if !(q >= .1 && q < 1) || !(r.Value > 0) {
			return plotter.XY{}, false
		}
		all, least = append(all, r.Value), min(least, 1-q)
		return plotter.XY{X: -math.Log10(1 - q), Y: r.Value}, true
	})
	low, high, ok := positive(all)
	if !ok {
		return nil, nil
	}
	p.X.Min, p.X.Max = -math.Log10(.9), max(1, -math.Log10(least))
	p.X.Tick.Marker = percentiles{}
	logarithmic(&p.Y, low, high, seconds)
	grid(p, true, true)
	return p, addCurves(p, curves)
}

// percentiles are ticks at 1 − 10^−x.
type percentiles struct{}

// Ticks implements plot.Ticker.
func (percentiles) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for _, q := range []float64{.1, .5, .9, .99, .999, .9999} {
		x := -math.Log10(1 - q)
		if x >= low-1e-9 && x <= high+1e-9 {
			ticks = append(ticks, plot.Tick{Value: x, Label: "p" + strconv.FormatFloat(100*q, 'g', 6, 64)})
		}
	}
	return ticks
}

// goodputFigure has the useful work by what was offered, beside what is possible.
func goodputFigure(of Results) (*plot.Plot, error) {
	p := newFigure("offered load ÷ capacity", "work done in time ÷ capacity")
	low, high := math.Inf(1), 0.
	curves := curvesOf(of, func(r Result) (plotter.XY, bool) {
		x := r.parameter("offered")
		if !(x > 0) {
			return plotter.XY{}, false
		}
		low, high = min(low, x), max(high, x)
		return plotter.XY{X: x, Y: r.Value}, true
	})
	if high == 0 {
		return nil, nil
	}
	ideal := curve{name: "possible", style: draw.LineStyle{Color: grey(), Width: 1, Dashes: []vg.Length{2, 2}}}
	for i := range 101 {
		x := low + (high-low)*float64(i)/100
		ideal.points = append(ideal.points, plotter.XY{X: x, Y: min(1, x)})
	}
	grid(p, false, true)
	p.Y.Min, p.Y.Max = 0, 1.05
	return p, addCurves(p, append([]curve{ideal}, curves...))
}

// momentFigure has a figure over time.
func momentFigure(of Results, title string) (*plot.Plot, error) {
	unit := of.first().Unit
	p := newFigure("seconds since the start", title)
	if unit != "" {
		p.Y.Label.Text += ", " + unit
	}
	var all []float64
	curves := curvesOf(of, func(r Result) (plotter.XY, bool) {
		x := r.parameter("at")
		all = append(all, r.Value)
		return plotter.XY{X: x, Y: r.Value}, !math.IsNaN(x)
	})
	low, high, ok := positive(all)
	switch {
	case ok && unit == "s" && high/low > 20:
		for i := range curves { // what is 0 has no place on such an axis
			curves[i].points = slices.DeleteFunc(curves[i].points, func(xy plotter.XY) bool { return !(xy.Y > 0) })
			curves[i].marks = slices.DeleteFunc(curves[i].marks, func(m mark) bool { return !(m.low > 0) })
		}
		logarithmic(&p.Y, low, high, seconds)
		p.Y.Label.Text = title
	default:
		p.Y.Min, p.Y.Max = 0, max(high*1.05, 1e-9)
	}
	grid(p, false, true)
	return p, addCurves(p, curves)
}

// shareFigure has the part of the first sends that a node got, over time.
func shareFigure(of Results) (*plot.Plot, error) {
	p := newFigure("first sends so far", "part of them, %")
	highest := 0.
	curves := curvesOf(of, func(r Result) (plotter.XY, bool) {
		x := r.parameter("step")
		highest = max(highest, 100*r.Value)
		return plotter.XY{X: x, Y: 100 * r.Value}, !math.IsNaN(x)
	})
	grid(p, false, true)
	p.Y.Min, p.Y.Max = 0, max(1, highest*1.05)
	return p, addCurves(p, curves)
}

// seconds writes a time in the unit that suits it.
func seconds(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
		if v >= u.size*.9995 {
			return short(v/u.size) + " " + u.name
		}
	}
	if v == 0 {
		return "0 s"
	}
	return short(v*1e9) + " ns"
}

// short writes a number with four digits at most, and never with an exponent where
// it is of the size of everyday ones.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e4 && a < 1e15:
		return fmt.Sprintf("%.0f", v)
	case a >= .001 && a < 1e4:
		return strconv.FormatFloat(mustParse(fmt.Sprintf("%.4g", v)), 'f', -1, 64)
	}
	return fmt.Sprintf("%.3g", v)
}

// mustParse reads what Sprintf wrote.
func mustParse(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}
