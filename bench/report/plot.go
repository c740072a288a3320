package report

import (
	"fmt"
	"image/color"
	"path/filepath"
)

// The colours of Okabe and Ito, which people who see colours differently can
// tell apart.

func blue() color.Color   { return color.RGBA{0x00, 0x72, 0xb2, 0xff} }
func orange() color.Color { return color.RGBA{0xe6, 0x9f, 0x00, 0xff} }
func pale(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	half := func(v uint32) uint8 { return uint8((v>>8 + 0x1fe) / 3) }
	return color.RGBA{half(r), half(g), half(b), 0xff}
}

// Plots writes the pictures that the report on rs shows into dir, as PNG. What
// was not measured has none.
func Plots(rs Results, dir string) error {
	if len(rs.where(Speed)) > 0 {
		if err := plotSpeed(rs, filepath.Join(dir, speedPlot)); err != nil {
			return fmt.Errorf("plot %s: %w", speedPlot, err)
		}
	}
	for _, images := range rs.where(Makespan).distinct("images") {
		name := fmt.Sprintf(makespanPlot, images)
		if err := plotMakespan(rs, images, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("plot %s: %w", name, err)
		}
	}
	if len(rs.where(NodeTasks)) > 0 {
		if err := plotNodes(rs, filepath.Join(dir, nodesPlot)); err != nil {
			return fmt.Errorf("plot %s: %w", nodesPlot, err)
		}
	}
	return nil
}

// plotSpeed has two bars a pair.
func plotSpeed(rs Results, file string) error {
	plain := rs.where(Speed, "program", "plain").values()
	ours := rs.where(Speed, "program", "spillway").values()
	c := newChart([3]string{"Images per second, operation edges", "pair (the programs take turns)", "images/s"},
		rs.where(Speed).distinct("pair"), 2)
	c.bars("plain gocv loop", plain, pale(blue()))
	c.bars("spillway", ours, blue())
	return c.save(file)
}

// plotMakespan has four bars for each set of load probabilities.
func plotMakespan(rs Results, images, file string) error {
	measured := rs.where(Makespan, "images", images)
	title := "Makespan of jobs of " + images + " images, T = " + measured.first().Params["delay"]
	c := newChart([3]string{title, "load probabilities of the four nodes", "mean makespan ÷ T"}, measured.distinct("loads"), 4)
	for _, policy := range measured.distinct("policy") {
		fill := blue()
		if policy == "balance" {
			fill = orange()
		}
		exact := rs.where(ClosedForm, "images", images, "policy", policy, "rule", "exact")
		c.bars(policy+", closed form", exact.values(), pale(fill))
		of := measured.where(Makespan, "policy", policy)
		c.bars(policy+", measured", of.values(), fill)
		if err := c.whiskers(of); err != nil {
			return err
		}
	}
	return c.save(file)
}

// plotNodes has a stack for each node and policy: done at once, done after the
// delay, rejected.
func plotNodes(rs Results, file string) error {
	all := rs.where(NodeTasks)
	var names []string
	for _, node := range all.distinct("node") {
		names = append(names, fmt.Sprintf("%s (%s)", node, all.where(NodeTasks, "node", node).first().Params["load"]))
	}
	title := "Attempts by node, jobs of " + all.first().Params["images"] + " images"
	c := newChart([3]string{title, "node (load probability)", "attempts a job"}, names, len(all.distinct("policy")))
	for _, policy := range all.distinct("policy") {
		of := all.where(NodeTasks, "policy", policy)
		done, delayed := of.where(NodeTasks, "kind", "done").values(), of.where(NodeTasks, "kind", "delayed").values()
		atOnce := make([]float64, len(done))
		for i := range done {
			atOnce[i] = done[i] - delayed[i]
		}
		fill := blue()
		if policy == "balance" {
			fill = orange()
		}
		base := c.bars(policy+", done at once", atOnce, fill)
		base = c.stack(policy+", done after T", delayed, pale(fill), base)
		if rejected := of.where(NodeTasks, "kind", "rejected").values(); Mean(rejected) > 0 {
			c.stack(policy+", rejected", rejected, color.Gray{0xd8}, base)
		}
	}
	return c.save(file)
}
