package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"spillway/bench/sim"
	"spillway/job"
	"spillway/params"
)

// readLists reads the flags that are lists. Errors: InvalidArgument.
func (c *simConfig) readLists() error {
	if err := c.readSizes(); err != nil {
		return err
	}
	if err := c.readSpeeds(); err != nil {
		return err
	}
	if err := c.readSteps(); err != nil {
		return err
	}
	f := &c.fleet
	if err := list("stragglers", c.stragglers, func(p *params.List) {
		f.Stragglers = p.Float("part", .05, 0, 1, "of the nodes")
		f.Times = p.Float("times", 8, 1, 1e6, "how much slower they are")
	}); err != nil {
		return err
	}
	a := &c.run.Antagonists
	if err := list("antagonists", c.antagonists, func(p *params.List) {
		a.Part = p.Float("part", .3, 0, 1, "of the nodes")
		a.On = p.Duration("on", 2*time.Second, time.Microsecond, time.Hour, "mean time that they slow a node down")
		a.Off = p.Duration("off", 8*time.Second, time.Microsecond, time.Hour, "mean time that they do not")
		a.Factor = p.Float("factor", .3, 1e-6, 1e6, "on the node's speed meanwhile")
	}); err != nil {
		return err
	}
	d := &c.run.Flap
	return list("deaths", c.deaths, func(p *params.List) {
		d.Part = p.Float("part", .2, 0, 1, "of the nodes")
		d.Up = p.Duration("up", 30*time.Second, time.Microsecond, time.Hour, "mean time that they live")
		d.Down = p.Duration("down", 5*time.Second, time.Microsecond, time.Hour, "mean time until they return")
	})
}

// list reads the parameters of a flag that is given.
func list(flag, word string, read func(p *params.List)) error {
	if word == "" {
		return nil
	}
	p := params.Parse(word)
	read(p)
	if err := p.Finish(); err != nil {
		return job.E(job.InvalidArgument, fmt.Sprintf("--%s %.80q", flag, word), err, "write it with any of "+strings.Join(p.Infos(), ", "))
	}
	return nil
}

func (c *simConfig) readSizes() error {
	path, isFile := strings.CutPrefix(c.sizes, "file:")
	if !isFile {
		s, err := sim.ParseSizes(c.sizes)
		c.run.Sizes = s
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return job.E(job.InvalidArgument, "--sizes "+c.sizes, err, "name a file that can be read")
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		d, err := time.ParseDuration(strings.TrimSpace(lines.Text()))
		if err != nil || d < 0 {
			return job.E(job.InvalidArgument, fmt.Sprintf("%s:%d", path, n), fmt.Errorf("%.40q is no time", lines.Text()), "write a time such as 12.5ms on each line")
		}
		c.run.Sizes.Values = append(c.run.Sizes.Values, d)
	}
	if err := lines.Err(); err != nil || len(c.run.Sizes.Values) == 0 {
		return job.E(job.InvalidArgument, "--sizes "+c.sizes, errors.Join(err, errors.New("it holds no sizes")), "write a time such as 12.5ms on each line")
	}
	return nil
}

func (c *simConfig) readSpeeds() error {
	if word, ok := strings.CutPrefix(c.speeds, "lognormal"); ok {
		word, _ = strings.CutPrefix(word, ":")
		if word == "" {
			word = "sigma=0.5"
		}
		return list("speeds", word, func(p *params.List) {
			c.fleet.Sigma = p.Float("sigma", .5, 0, 3, "of the logarithm")
		})
	}
	for part := range strings.SplitSeq(c.speeds, ",") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || !(v > 0) {
			return job.E(job.InvalidArgument, fmt.Sprintf("--speeds %.80q", c.speeds), fmt.Errorf("%.40q is no speed", part), "write numbers above 0 such as 1,2,4, or lognormal:sigma=0.5")
		}
		c.fleet.Speeds = append(c.fleet.Speeds, v)
	}
	return nil
}

func (c *simConfig) readSteps() error {
	if c.steps == "" {
		return nil
	}
	for part := range strings.SplitSeq(c.steps, ",") {
		length, times, _ := strings.Cut(part, "*")
		d, err := time.ParseDuration(length)
		v, other := strconv.ParseFloat(times, 64)
		if err != nil || other != nil {
			return job.E(job.InvalidArgument, fmt.Sprintf("--steps %.80q", c.steps), fmt.Errorf("%.40q is no step", part), "write TIME*FACTOR, such as 10s*0.5,5s*2")
		}
		c.run.Arrivals.Steps = append(c.run.Arrivals.Steps, sim.Step{For: d, Times: v})
	}
	return nil
}
