package report

import (
	"fmt"
	"slices"
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
	Scenario, Title, Metric, Policy, Target, Measured, Interval string
	Met                                                         bool
}

// section is that of one scenario.
type section struct {
	ID, Title, Text string
	Verdicts        []verdict
	Tables          []table
	Figures         []figure
	Commands        []string
	Seeds           string
}

// table has a row a policy.
type table struct {
	Label string // of the setting; empty: there is one
	Head  []string
	Rows  []row
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
		s.Tables = tablesOf(of.where(Metric))
		var err error
		if s.Figures, err = figuresOf(id, of); err != nil {
			return d, fmt.Errorf("scenario %s: %w", id, err)
		}
		d.Sections = append(d.Sections, s)
		d.Verdicts = append(d.Verdicts, s.Verdicts...)
		for _, c := range s.Commands {
			if slices.Contains(strings.Fields(c), "--quick") {
				d.Scaled = append(d.Scaled, id)
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
			Policy: r.Params["policy"], Target: r.Params["target"], Measured: r.written(), Interval: r.interval(),
			Met: r.Params["verdict"] == "ok",
		})
	}
	return all
}

// tablesOf makes a table for each setting, with the metrics that there are.
func tablesOf(of Results) []table {
	var tables []table
	for _, g := range groupsOf(of) {
		t := table{Label: g.label, Head: []string{"policy"}}
		words := sortedMetrics(g.results)
		best := make([]string, len(words))
		for i, word := range words {
			t.Head = append(t.Head, title(word))
			best[i] = bestOf(g.results.where(Metric, "metric", word))
		}
		for _, policy := range g.results.distinct("policy") {
			line := row{Policy: policy}
			for i, word := range words {
				r := g.results.where(Metric, "metric", word, "policy", policy).first()
				if r.Name == "" {
					line.Cells = append(line.Cells, cell{Value: "–"})
					continue
				}
				line.Cells = append(line.Cells, cell{r.written(), r.interval(), best[i] == policy})
			}
			t.Rows = append(t.Rows, line)
		}
		tables = append(tables, t)
	}
	return tables
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
		if s := fmt.Sprint(r.Seed); !slices.Contains(seeds, s) {
			seeds = append(seeds, s)
		}
	}
	word := "First seed " + strings.Join(seeds, ", ")
	if most > 1 {
		word += fmt.Sprintf("; means of up to %d observations, intervals of 95 %% by the bootstrap", most)
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
			rule = "no policy but the reference: one ideal queue over the same nodes, which knows everything"
		}
		if word != "" && rule != "" {
			all = append(all, term{Word: word, Meaning: rule})
		}
	}
	slices.SortFunc(all, func(a, b term) int { return strings.Compare(a.Word, b.Word) })
	return all
}
