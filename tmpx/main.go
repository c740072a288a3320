package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"spillway/bench/sim"
)

func main() {
	tasks, _ := strconv.Atoi(os.Args[2])
	window, _ := strconv.Atoi(os.Args[3])
	mean, _ := time.ParseDuration(os.Args[4])
	var first, att, rej, done [4]int
	var span time.Duration
	var copies, attempts int
	const seeds = 40
	for s := range uint64(seeds) {
		c := sim.Config{Policy: os.Args[1], Seed: s + 1, Tasks: tasks, Sizes: sim.Sizes{Mean: mean}}
		c.Arrivals.Window = window
		for _, p := range []float64{.1, .5, .2, .9} {
			c.Nodes = append(c.Nodes, sim.Node{Slots: 2, Probability: p, Delay: 3 * time.Second})
		}
		r, err := sim.Run(c)
		if err != nil {
			panic(err)
		}
		span += r.Makespan
		copies += r.Copies
		attempts += r.Attempts
		for i, n := range r.Nodes {
			first[i] += n.First
			att[i] += n.Attempts
			rej[i] += n.Rejected
			done[i] += n.Done
		}
	}
	fmt.Println("makespan", span/seeds, "copies/task", float64(copies)/float64(seeds*tasks), "attempts/task", float64(attempts)/float64(seeds*tasks))
	for i := range 4 {
		f := func(n int) float64 { return float64(n) / float64(seeds*tasks) }
		fmt.Printf("node %d first %.3f attempts %.3f rejected %.3f done %.3f\n", i, f(first[i]), f(att[i]), f(rej[i]), f(done[i]))
	}
}
