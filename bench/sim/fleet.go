package sim

import "time"

// Fleet draws the nodes of a run. The zero value of each field but Nodes is that of
// [Node].
type Fleet struct {
	// Nodes is how many there are, and Slots how many each has.
	Nodes, Slots int
	// Speeds are theirs, in turn; nil: all 1.
	Speeds []float64
	// Sigma is that of the logarithm of a factor on each node's speed, of mean 1.
	Sigma float64
	// Stragglers are a part of the nodes, 0 to 1, drawn by chance, that are Times slower.
	Stragglers, Times float64
	// Probabilities are their load probabilities, in turn; nil: none. Delay is the
	// injected delay.
	Probabilities []float64
	Delay         time.Duration
}

// streamFleet is of no run's own streams.
const streamFleet = 1 << 32

// Draw makes the nodes; the same seed makes the same ones.
func (f Fleet) Draw(seed uint64) []Node {
	r := stream(seed, streamFleet)
	nodes := make([]Node, f.Nodes)
	for i := range nodes {
		n := &nodes[i]
		*n = Node{Slots: f.Slots, Speed: lognormal(f.Sigma, r)}
		if len(f.Speeds) > 0 {
			n.Speed *= f.Speeds[i%len(f.Speeds)]
		}
		if len(f.Probabilities) > 0 {
			n.Probability, n.Delay = f.Probabilities[i%len(f.Probabilities)], f.Delay
		}
	}
	for _, i := range r.Perm(f.Nodes)[:part(f.Stragglers, f.Nodes)] {
		nodes[i].Speed /= f.Times
	}
	return nodes
}
