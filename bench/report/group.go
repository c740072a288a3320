package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// group is results whose settings are the same: load, nodes and so on.
type group struct {
	label   string
	results Results
}

// groupsOf parts results by all parameters that are neither who nor what, in the order
// of their first occurrence, but for numbers, which rise. own are further parameters
// that do not tell groups apart.
func groupsOf(of Results, own ...string) []group {
	var groups []group
	at := map[string]int{}
	for _, r := range of {
		label := settings(r, own)
		i, ok := at[label]
		if !ok {
			i = len(groups)
			at[label] = i
			groups = append(groups, group{label: label})
		}
		groups[i].results = append(groups[i].results, r)
	}
	slices.SortStableFunc(groups, func(a, b group) int { return compareSettings(a.results[0], b.results[0]) })
	return groups
}

// settings are the parameters of a result that tell its setting, spelled out.
func settings(r Result, own []string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(r.Params)) {
		value := r.Params[key]
		if value == "" || slices.Contains(own, key) || slices.Contains([]string{"scenario", "policy", "metric", closedFormKey}, key) {
			continue
		}
		switch key {
		case "on":
			parts = append([]string{place(value)}, parts...)
		case "tasks":
			each := " tasks"
			if s := r.Params["scenario"]; s == "S5" || s == "S6" {
				each += " a node"
			}
			parts = append(parts, value+each)
		case "nodes", "servers", "images", "jobs":
			parts = append(parts, value+" "+key)
		case "state":
			parts = append(parts, value)
		case "rate":
			if value != "0" { // which is without a rate
				parts = append(parts, value+" jobs a second")
			}
		default:
			parts = append(parts, key+" "+value)
		}
	}
	return strings.Join(parts, ", ")
}

// closedFormKey is the parameter that tells what a makespan should be.
const closedFormKey = "closed_form"

// place is where something was measured, in words.
func place(on string) string {
	return cmp.Or(map[string]string{OnMachine: "real programs", OnSimulator: "simulated"}[on], on)
}

// alike leaves out where results were measured, if that is the same for all that say so.
func (rs Results) alike() Results {
	places := slices.DeleteFunc(rs.distinct("on"), func(on string) bool { return on == "" })
	if len(places) > 1 {
		return rs
	}
	all := slices.Clone(rs)
	for i := range all {
		all[i].Params = maps.Clone(all[i].Params)
		delete(all[i].Params, "on")
	}
	return all
}

// scaledTo tells the sizes at which a scenario was played that is meant larger.
func scaledTo(of Results) string {
	words := []string{"--quick"}
	for _, key := range []string{"nodes", "servers", "images", "tasks"} {
		sizes := slices.DeleteFunc(of.where(Metric).distinct(key), func(size string) bool { return size == "" })
		if len(sizes) > 0 {
			words = append(words, strings.Join(sizes, " and ")+" "+key)
		}
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// compareSettings orders by the numbers among the parameters; what is no number stays
// in its place.
func compareSettings(a, b Result) int {
	for _, key := range []string{"load", "offered", "nodes", "servers", "images", "tasks"} {
		if c := cmp.Compare(a.parameter(key), b.parameter(key)); c != 0 {
			return c
		}
	}
	return 0
}

// scenarios are the names of scenarios in rs, S2 before S10.
func (rs Results) scenarios() []string {
	all := slices.DeleteFunc(rs.distinct("scenario"), func(s string) bool { return s == "" })
	slices.SortStableFunc(all, func(a, b string) int {
		numbered := func(s string) int {
			if lastNumber(s) < 0 {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(numbered(a), numbered(b)), byNumber(a, b))
	})
	return all
}

// of are the results of a scenario.
func (rs Results) of(scenario string) Results {
	var found Results
	for _, r := range rs {
		if r.Params["scenario"] == scenario {
			found = append(found, r)
		}
	}
	return found
}

// fewest is of how many observations there is an interval at least: the bootstrap of
// less says little.
const fewest = 5

// bounded tells whether a result has an interval.
func (r Result) bounded() bool { return r.N >= fewest && (r.Low != 0 || r.High != 0) }

// figureIn writes a value in its unit.
func figureIn(v float64, unit string) string {
	factor := map[string]float64{"s": 1, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}[unit]
	switch {
	case factor > 0:
		return seconds(v * factor)
	case unit == "":
		return short(v)
	}
	return short(v) + " " + unit
}

// sample says of how many observations a result is the mean, and what their median is.
func (r Result) sample() string {
	if r.N == 0 {
		return ""
	}
	s := fmt.Sprintf("N = %d", r.N)
	if r.Median != 0 {
		s += ", median " + figureIn(r.Median, r.Unit)
	}
	return s
}

// written is the value of a result.
func (r Result) written() string { return figureIn(r.Value, r.Unit) }

// interval is what bounds its mean, or "".
func (r Result) interval() string {
	if !r.bounded() {
		return ""
	}
	low, high := figureIn(r.Low, r.Unit), figureIn(r.High, r.Unit)
	number, unit, _ := strings.Cut(low, " ")
	if _, other, _ := strings.Cut(high, " "); unit == other { // it is said once
		low = number
	}
	return low + "–" + high
}
