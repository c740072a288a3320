package policy_test

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestLead(t *testing.T) {
	for _, name := range []string{"pull"} {
		for _, real := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
			var cold, warm, att, attw float64
			var hed int
			const seeds = 200
			for seed := range uint64(seeds) {
				nodes := []rigNode{}
				for _, p := range []float64{.1, .5, .2, .9} {
					nodes = append(nodes, rigNode{speed: 1, slots: 2, reject: p, delay: p})
				}
				r := newRig(t, name, seed, nodes)
				r.hedge = 50 * time.Millisecond
				for range 6 {
					r.submit(float64(real))
				}
				cold += r.run(t).Seconds()
				att += float64(r.attempts) / 6
				sent0 := append([]int{}, r.sent...)
				_ = sent0
				for range 20 {
					for range 6 {
						r.submit(float64(real))
					}
					r.run(t)
				}
				a := r.attempts
				h := r.hedges
				if seed < 10 {
					fmt.Println("cold", sent0, "learned", r.sent, "hedges", h, "elapsed", r.now.Sub(start))
				}
				for range 6 {
					r.submit(float64(real))
				}
				warm += r.run(t).Seconds()
				attw += float64(r.attempts-a) / 6
				hed += r.hedges - h
			}
			fmt.Printf("S2 %s real=%v cold %.3f att %.2f; warm %.3f att %.2f hedges/task %.3f\n", name, real, cold/seeds, att/seeds, warm/seeds, attw/seeds, float64(hed)/6/seeds)
		}
		for _, hidden := range []bool{false, true} {
			nodes := []rigNode{}
			for i := range 20 {
				n := rigNode{speed: 1, slots: 2, hidden: hidden}
				if i == 7 {
					n.reject = .9
				}
				nodes = append(nodes, n)
			}
			r := newRig(t, name, 1, nodes)
			for range 200 {
				r.submit(20e6)
			}
			r.run(t)
			clear(r.firstSends)
			a := r.attempts
			for range 4000 {
				r.submit(20e6)
			}
			m := r.run(t)
			fmt.Printf("S4 %s hidden=%v firsts of the rejector %.4f attempts %.3f makespan/bound %.3f\n", name, hidden, float64(r.firstSends[7])/4000, float64(r.attempts-a)/4000, m.Seconds()/(4000*.02/38))
		}
		for _, slots := range []int{1, 4} {
			for _, hidden := range []bool{false, true} {
				for _, each := range []int{10, 100} {
					for _, slow := range []bool{false, true} {
						rng := seeded(5)
						nodes := []rigNode{}
						total := 0.0
						for i := range 100 {
							n := rigNode{speed: .5 + 1.5*rng.Float64(), slots: slots, hidden: hidden}
							if slow {
								n.speed = 1
								if i%20 == 0 {
									n.speed = 1. / 8
								}
							}
							total += n.speed * float64(n.slots)
							nodes = append(nodes, n)
						}
						r := newRig(t, name, 1, nodes)
						sum := 0.0
						for range each * 100 {
							w := 50e6 * math.Exp(.3*rng.NormFloat64())
							sum += w
							r.submit(w)
						}
						m := r.run(t)
						fmt.Printf("%s slots %d hidden %v %d each, %s: %.4f x bound, attempts %.3f\n", name, slots, hidden, each, map[bool]string{true: "S6 slow", false: "S5 unequal"}[slow], float64(m)/(sum/total), float64(r.attempts)/float64(each*100))
					}
				}
			}
		}
	}
}
