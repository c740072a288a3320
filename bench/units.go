package main

import (
	"math"
	"strconv"
)

// inUnits is a value with so many digits that count, in a unit that people read: times
// are s, ms or µs, whichever leaves the fewest digits before the point.
func inUnits(v float64, unit string, digits int) string {
	factor, unit := readable(v, unit)
	return joined(rounded(v*factor, digits), unit)
}

// within is a value as inUnits has it, and ± half of its interval in the same unit.
func within(v, low, high float64, unit string, digits int) string {
	factor, _ := readable(v, unit)
	return inUnits(v, unit, digits) + " ±" + rounded((high-low)/2*factor, 2)
}

// readable is the unit for a value in unit, and what to multiply it by.
func readable(v float64, unit string) (factor float64, readable string) {
	inSeconds := map[string]float64{"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
	if inSeconds == 0 || v == 0 || math.IsNaN(v) {
		return 1, unit
	}
	for _, u := range []struct {
		name string
		size float64
	}{{"s", 1}, {"ms", 1e-3}, {"µs", 1e-6}} {
		if math.Abs(v)*inSeconds >= u.size*.9995 {
			return inSeconds / u.size, u.name
		}
	}
	return inSeconds / 1e-9, "ns"
}

// rounded has so many digits that count, and no exponent but for what is next to nothing.
func rounded(v float64, digits int) string {
	if a := math.Abs(v); a != 0 && a < 1e-4 {
		return strconv.FormatFloat(v, 'g', digits, 64)
	}
	if near, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64); err == nil && math.Abs(v) < math.Pow10(digits) {
		return strconv.FormatFloat(near, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func joined(number, unit string) string {
	if unit == "" {
		return number
	}
	return number + " " + unit
}
