package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// digest is the report on scenarios before it is a page or Markdown: what was not
// measured is not in it.
type digest struct {
	Advice   []advice
	Verdicts []verdict
	Met      int // of the verdicts
	Sections []section
	Terms    []term
	Policies []term
	Scaled   []string // what was played smaller than it is meant
}

// verdict is a row of the table of targets.
type verdict struct {
	Scenario, Title, Metric, Policy, Target, Measured, Interval, Sample string
	Met                                                                 bool
}

// section is that of one scenario.
type section struct {
	ID, Title, Text string
	Verdicts        []verdict
	Tables          []table
	Figures         []figure
	Commands        []string
	Where, Seeds    string
}

// table has a row a policy.
type table struct {
	Label string // of the setting; empty: there is one
	Head  []string
	Rows  []row
	Note  string // of how many observations
}

// row is a policy with a cell for each metric.
type row struct {
	Policy string
	Cells  []cell
}

// cell is a figure; Best is the best of its column, the reference aside.
type cell struct {
	Value, Interval string
	Best            bool
}

// digestOf reads rs. rules say in a line what each policy does, by name.
func digestOf(rs Results, rules map[string]string) (digest, error) {
	var d digest
	d.Advice = advise(rs)
	used := map[string]bool{}
	for _, id := range rs.scenarios() {
		of := rs.of(id)
		s := section{ID: id, Title: settingOf(id).title, Text: settingOf(id).text, Commands: of.commands(), Seeds: seedsOf(of)}
		s.Verdicts = verdictsOf(of)
		s.Where = whereOf(of)
		of = of.alike()
		s.Tables = append(tablesOf(id, of.where(Metric)), controllerTables(of)...)
		var err error
		if s.Figures, err = figuresOf(id, of); err != nil {
			return d, fmt.Errorf("scenario %s: %w", id, err)
		}
		d.Sections = append(d.Sections, s)
		d.Verdicts = append(d.Verdicts, s.Verdicts...)
		for _, c := range s.Commands {
			if slices.Contains(strings.Fields(c), "--quick") {
				d.Scaled = append(d.Scaled, id)
				d.Sections[len(d.Sections)-1].Title += scaledTo(of)
				break
			}
		}
		for _, r := range of {
			used[r.Params["metric"]] = true
		}
	}
	for _, v := range d.Verdicts {
		if v.Met {
			d.Met++
		}
	}
	for _, t := range metrics() {
		if used[t.Word] {
			d.Terms = append(d.Terms, term{Word: title(t.Word), Meaning: t.Meaning})
		}
	}
	d.Policies = policiesOf(rs, rules)
	return d, nil
}

// verdictsOf are the targets of a scenario and what came of them.
func verdictsOf(of Results) []verdict {
	var all []verdict
	for _, r := range of.where(Verdict) {
		all = append(all, verdict{
			Scenario: r.Params["scenario"], Title: settingOf(r.Params["scenario"]).title, Metric: title(r.Params["metric"]),
			Policy: r.Params["policy"], Target: r.Params["target"], Measured: r.written(), Interval: r.interval(), Sample: r.sample(),
			Met: r.Params["verdict"] == "ok",
		})
	}
	return all
}

// whereOf says whether real programs ran or the simulator.
func whereOf(of Results) string {
	var places []string
	for _, on := range of.distinct("on") {
		if on != "" {
			places = append(places, place(on))
		}
	}
	switch {
	case len(places) == 0:
		return ""
	case len(places) > 1:
		return "Measured on real programs, and played in the simulator."
	case places[0] == place(OnMachine):
		return "Measured on real programs."
	}
	return "Played in the simulator."
}

// manyTables is how many tables of a few rows each are made one.
const manyTables = 3

// tablesOf makes a table for each setting, the best policy first. Metrics that are 0 for
// all are left out.
func tablesOf(id string, of Results) []table {
	var tables []table
	short := true
	for _, g := range groupsOf(of) {
		t := tableOf(id, g)
		if len(t.Rows) > 0 {
			tables = append(tables, t)
			short = short && len(t.Rows) <= 3 && slices.Equal(t.Head, tables[0].Head)
		}
	}
	if len(tables) < manyTables || !short {
		return tables
	}
	one := table{Note: of.observed("policy"), Head: append([]string{"policy", "setting"}, tables[0].Head[1:]...)}
	for _, t := range tables {
		for _, r := range t.Rows {
			one.Rows = append(one.Rows, row{r.Policy, append([]cell{{Value: t.Label}}, r.Cells...)})
		}
	}
	return []table{one}
}

// tableOf is the table of one setting.
func tableOf(id string, g group) table {
	t := table{Label: g.label, Head: []string{"policy"}, Note: g.results.observed("policy")}
	words := slices.DeleteFunc(sortedMetrics(g.results), func(word string) bool {
		return !slices.ContainsFunc(g.results.where(Metric, "metric", word), func(r Result) bool { return r.Value != 0 })
	})
	if len(words) == 0 {
		return t
	}
	best := make([]Result, len(words))
	for i, word := range words {
		t.Head = append(t.Head, title(word))
		of := g.results.where(Metric, "metric", word)
		if slices.Min(of.values()) < slices.Max(of.values()) {
			best[i] = of.where(Metric, "policy", bestOf(of)).first()
		}
	}
	forms := g.results.distinct(closedFormKey)
	hasForm := len(forms) > 1 || forms[0] != ""
	if hasForm {
		t.Head = append(t.Head, "closed form", "off")
	}
	for _, policy := range ordered(g.results, mainMetric(id)) {
		line := row{Policy: policy}
		for i, word := range words {
			r := g.results.where(Metric, "metric", word, "policy", policy).first()
			if r.Name == "" {
				line.Cells = append(line.Cells, cell{Value: "–"})
				continue
			}
			line.Cells = append(line.Cells, cell{r.written(), r.interval(), r.isAs(best[i]) && !hasForm})
		}
		if hasForm {
			r := g.results.where(Metric, "policy", policy).first()
			form := r.parameter(closedFormKey)
			line.Cells = append(line.Cells, cell{Value: figureIn(form, r.Unit)}, cell{Value: fmt.Sprintf("%+.1f %%", 100*(r.Value/form-1))})
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// isAs tells whether r is as good as the best, and may be said to be: without an interval,
// which is ahead may be chance.
func (r Result) isAs(best Result) bool {
	return best.bounded() && best.Name != "" && r.Value == best.Value && r.Params["policy"] != "central"
}

// ordered are the policies of results, the best by a metric first; those without it
// stay behind, in their order.
func ordered(of Results, word string) []string {
	policies := of.distinct("policy")
	t, _ := metric(word)
	slices.SortStableFunc(policies, func(a, b string) int {
		x, y := of.where(Metric, "metric", word, "policy", a), of.where(Metric, "metric", word, "policy", b)
		switch {
		case len(x) == 0 || len(y) == 0:
			return len(y) - len(x)
		case t.lower:
			return cmp.Compare(x[0].Value, y[0].Value)
		}
		return cmp.Compare(y[0].Value, x[0].Value)
	})
	return policies
}

// sortedMetrics are the metrics of results, those that are known first.
func sortedMetrics(of Results) []string {
	words := of.distinct("metric")
	place := func(word string) int {
		at := slices.IndexFunc(metrics(), func(t term) bool { return t.Word == word })
		if at < 0 {
			return len(metrics())
		}
		return at
	}
	slices.SortStableFunc(words, func(a, b string) int { return place(a) - place(b) })
	return words
}

// bestOf is the policy whose mean is the best, or "" where nobody can tell.
func bestOf(of Results) string {
	of = slices.DeleteFunc(slices.Clone(of), func(r Result) bool { return r.Params["policy"] == "central" })
	t, known := metric(of.first().Params["metric"])
	if !known || len(of) < 2 {
		return ""
	}
	best := of[0]
	for _, r := range of[1:] {
		if t.lower && r.Value < best.Value || !t.lower && r.Value > best.Value {
			best = r
		}
	}
	return best.Params["policy"]
}

// seedsOf says which draws were made.
func seedsOf(of Results) string {
	var most int
	for _, r := range of {
		most = max(most, r.N)
	}
	seeds := []string{}
	for _, r := range of {
		if s := strconv.FormatUint(r.Seed, 10); !slices.Contains(seeds, s) {
			seeds = append(seeds, s)
		}
	}
	word := "First seed " + strings.Join(seeds, ", ")
	switch {
	case most >= fewest:
		word += fmt.Sprintf("; means of up to %d observations, intervals of 95 %% by the bootstrap", most)
	case most > 1:
		word += fmt.Sprintf("; means of up to %d observations, too few for intervals", most)
	}
	return word + "."
}

// policiesOf are the policies that occur, with their rules.
func policiesOf(rs Results, rules map[string]string) []term {
	var all []term
	for _, word := range rs.distinct("policy") {
		name, _, _ := strings.Cut(word, ":")
		rule := rules[name]
		if word == "central" {
			rule = "no policy but the reference: one queue over the same nodes, in the order of arrival, that always knows who is free"
		}
		if word != "" && rule != "" {
			all = append(all, term{Word: word, Meaning: rule})
		}
	}
	slices.SortFunc(all, func(a, b term) int { return strings.Compare(a.Word, b.Word) })
	return all
}
