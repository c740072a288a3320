package report

import (
	"fmt"
	"math"
	"strconv"
)

// policies tells of random and balance against their closed forms.
func (d *document) policies(rs Results) {
	all := rs.where(Makespan)
	if len(all) == 0 {
		return
	}
	d.line("## Random against balance")
	d.line("Operation `none`, so that the injected delay T is all that takes time. The assignment's T is 3 s; where the table has another, " +
		"the delay was scaled, which changes nothing in multiples of T but makes the overhead count for more. Jobs start at even intervals, many at once.")
	d.line("`exact` is the closed form of what runs here: a node that rejects an image is left out until all have rejected it. " +
		"`redrawn` is the assignment's own, T − T(1 − pD/(1−pA))^M, in which a rejected image may be drawn to the same node again. " +
		"They differ where the nodes differ: leaving out a node that rejects often gives the others a larger share, and those that reject less also delay less. " +
		"The difference is to `exact`.")
	d.line("`overhead` is what a job took beyond T, or beyond nothing where no image was delayed: calls, queues, and the parking of images that all nodes rejected, which is a millisecond at first and longer with every round; at .8 .8 .8 .8 four rounds in ten end so.")
	for _, images := range all.distinct("images") {
		d.makespans(rs, all.where(Makespan, "images", images), images)
	}
	d.nodes(rs)
	d.commands(all)
}

// makespans adds the table of jobs of one size.
func (d *document) makespans(rs, of Results, images string) {
	d.line("### Jobs of %s images, T = %s", images, of.first().Params["delay"])
	rows := [][]string{{"load probabilities", "policy", "jobs", "makespan ÷ T", "95 % interval", "exact", "difference", "redrawn", "overhead ms"}}
	worst := 0.0
	for _, r := range of {
		key := []string{"policy", r.Params["policy"], "loads", r.Params["loads"], "images", images}
		exact := rs.where(ClosedForm, append(key, "rule", "exact")...).first().Value
		redrawn := "–"
		if other := rs.where(ClosedForm, append(key, "rule", "redrawn")...); len(other) > 0 {
			redrawn = fmt.Sprintf("%.4f", other.first().Value)
		}
		off := 100 * (r.Value/exact - 1)
		worst = max(worst, math.Abs(off))
		rows = append(rows, []string{
			r.Params["loads"], r.Params["policy"], strconv.Itoa(r.N), fmt.Sprintf("%.4f", r.Value), fmt.Sprintf("%.4f to %.4f", r.Low, r.High),
			fmt.Sprintf("%.4f", exact), fmt.Sprintf("%+.1f %%", off), redrawn,
			fmt.Sprintf("%.1f", rs.where(Overhead, key...).first().Value),
		})
	}
	d.table(rows)
	d.verdict("every mean within 2 % of its closed form", worst <= 2, fmt.Sprintf("at most %.1f %%", worst))
	d.line("![makespan of %s images](%s)", images, fmt.Sprintf(makespanPlot, images))
}

// nodes adds what each node did for one job, where it was recorded.
func (d *document) nodes(rs Results) {
	all := rs.where(NodeTasks)
	if len(all) == 0 {
		return
	}
	first := all.first().Params
	d.line("### Who does what: %s images at %s", first["images"], first["loads"])
	rows := [][]string{{"node", "load probability", "policy", "done", "of these delayed", "rejected"}}
	for _, node := range all.distinct("node") {
		for _, policy := range all.distinct("policy") {
			row := all.where(NodeTasks, "node", node, "policy", policy)
			cell := func(kind string) string {
				return fmt.Sprintf("%.1f", row.where(NodeTasks, "kind", kind).first().Value)
			}
			rows = append(rows, []string{node, row.first().Params["load"], policy, cell("done"), cell("delayed"), cell("rejected")})
		}
	}
	d.line("Attempts for one job, the mean of %d jobs.", all.first().N)
	d.table(rows)
	d.line("![attempts by node](%s)", nodesPlot)
}
