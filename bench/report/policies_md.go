package report

import (
	"fmt"
	"strings"
)

// PoliciesMarkdown is the report on the scenarios among rs, with their plots as PNG in
// dir; see [Page] for rules. Errors: those of writing; plain where a plot cannot be drawn.
func PoliciesMarkdown(rs Results, rules map[string]string, dir string) (string, error) {
	d, err := digestOf(rs, rules)
	if err != nil {
		return "", err
	}
	var doc document
	doc.line("# Policies measured")
	doc.line("`policies.html` beside this file says the same with more words.")
	if len(d.Scaled) > 0 {
		doc.line("Played smaller than the targets ask, with `--quick`: %s.", strings.Join(d.Scaled, ", "))
	}
	doc.advice(d.Advice)
	doc.targets(d)
	doc.terms("The policies", d.Policies)
	doc.terms("The metrics", d.Terms)
	for _, s := range d.Sections {
		if err := doc.section(s, dir); err != nil {
			return "", err
		}
	}
	return doc.String(), nil
}

// advice adds which policy suits whom.
func (d *document) advice(all []advice) {
	if len(all) == 0 {
		return
	}
	d.line("## Which policy for whom")
	d.line("The best mean of each scenario's main figure, or the server's default policy where that cannot be told from the best. " +
		"Those cannot be told from it whose 95 %% intervals meet its own, or that of the best.")
	rows := [][]string{{"you have", "take", "measured", "cannot be told from it", "best of the others", "seeds", "from"}}
	for _, a := range all {
		from := a.Scenario
		if a.Setting != "" {
			from += ", " + a.Setting
		}
		take := plain(a.Policy)
		if a.Interval != "" {
			take = "**" + take + "**"
		}
		rows = append(rows, []string{a.Whom, take, a.Metric + " " + ranged(a.Measured, a.Interval), plain(a.Equal), plain(a.Next), a.Seeds, plain(from)})
	}
	d.table(rows)
}

// targets adds what was to be met.
func (d *document) targets(all digest) {
	if len(all.Verdicts) == 0 {
		return
	}
	d.line("## Targets")
	d.line("%d of %d figures meet their targets.", all.Met, len(all.Verdicts))
	rows := [][]string{{"scenario", "figure", "policy", "target", "measured", "observations", "verdict"}}
	for _, v := range all.Verdicts {
		word := "**short**"
		if v.Met {
			word = "met"
		}
		rows = append(rows, []string{plain(v.Scenario) + " " + v.Title, plain(v.Metric), plain(v.Policy), plain(v.Target), ranged(v.Measured, v.Interval), v.Sample, word})
	}
	d.table(rows)
}

// terms adds words and what they mean.
func (d *document) terms(title string, all []term) {
	if len(all) == 0 {
		return
	}
	d.line("## %s", title)
	rows := [][]string{{"name", "what it is"}}
	for _, t := range all {
		rows = append(rows, []string{plain(t.Word), plain(t.Meaning)})
	}
	d.table(rows)
}

// section adds a scenario, and writes its plots.
func (d *document) section(s section, dir string) error {
	d.line("## %s", plain(strings.TrimSuffix(s.ID+": "+s.Title, ": "+s.ID)))
	if s.Text != "" {
		d.line("%s", strings.TrimSpace(s.Text+" "+s.Where))
	}
	for _, t := range s.Tables {
		if t.Label != "" {
			d.line("### %s", plain(t.Label))
		}
		rows := [][]string{t.Head}
		for _, r := range t.Rows {
			cells := []string{plain(r.Policy)}
			for _, c := range r.Cells {
				value := c.Value
				if c.Best {
					value = "**" + value + "**"
				}
				cells = append(cells, ranged(value, c.Interval))
			}
			rows = append(rows, cells)
		}
		d.table(rows)
		if t.Note != "" {
			d.line("%s", plain(t.Note))
		}
	}
	for _, f := range s.Figures {
		if err := f.PNG(dir); err != nil {
			return fmt.Errorf("plot %s: %w", f.Name, err)
		}
		d.line("![%s](%s.png)", plain(f.Caption), f.Name)
		d.line("%s", plain(f.Caption))
	}
	d.WriteString("Commands:\n\n")
	for _, c := range s.Commands {
		d.WriteString("    " + strings.Join(strings.Fields(c), " ") + "\n")
	}
	d.WriteString("\n")
	d.line("%s", s.Seeds)
	return nil
}

// ranged is a value with its interval.
func ranged(value, interval string) string {
	if interval == "" {
		return plain(value)
	}
	return plain(value + " (" + interval + ")")
}

// plain keeps text from a results file from being read as Markdown or HTML; the bold
// of this package's own stays.
func plain(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "`", "\\`", "\n", " ", "\r", " ").Replace(s)
}
