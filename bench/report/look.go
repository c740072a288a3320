package report

import (
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func vermillion() color.Color { return color.RGBA{0xd5, 0x5e, 0x00, 0xff} }
func green() color.Color      { return color.RGBA{0x00, 0x9e, 0x73, 0xff} }
func purple() color.Color     { return color.RGBA{0xcc, 0x79, 0xa7, 0xff} }
func sky() color.Color        { return color.RGBA{0x56, 0xb4, 0xe9, 0xff} }
func grey() color.Color       { return color.Gray{0x88} }

// faint is the colour of grids; the page shows it by another on a dark ground.
func faint() color.Color { return color.Gray{0xe0} }

// palette is a colour for each of a few things without a look of their own.
func palette(i int) color.Color {
	all := []color.Color{blue(), vermillion(), green(), orange(), purple(), sky(), grey()}
	return all[i%len(all)]
}

// look is how a policy is drawn, the same in every plot.
type look struct {
	colour color.Color
	dashes []vg.Length
}

// lookOf is the look of the policy that a word names. There are more policies than
// colours that everybody can tell apart, so that some differ by dashes.
func lookOf(word string) look {
	dashed, dotted := []vg.Length{5, 2.5}, []vg.Length{1.5, 2}
	looks := map[string]look{
		"central":              {colour: color.Black},
		"random":               {colour: blue()},
		"balance":              {colour: orange()},
		"pull":                 {colour: vermillion()},
		"cost":                 {colour: green()},
		"prequal":              {colour: purple()},
		"p2c":                  {colour: sky()},
		"least_outstanding":    {sky(), dashed},
		"jiq":                  {purple(), dashed},
		"peak_ewma":            {green(), dashed},
		"c3":                   {orange(), dashed},
		"round_robin":          {blue(), dashed},
		"weighted_round_robin": {blue(), dotted},
	}
	name, parameters, _ := strings.Cut(word, ":")
	l, ok := looks[name]
	switch {
	case !ok:
		return look{colour: grey()}
	case parameters != "":
		l.dashes = dotted
	}
	return l
}

// line is the stroke of a curve.
func (l look) line() draw.LineStyle {
	return draw.LineStyle{Color: l.colour, Width: 1.6, Dashes: l.dashes}
}
