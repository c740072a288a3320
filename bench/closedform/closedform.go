// Package closedform has the expected makespans of the assignment's policies, in
// multiples of the injected delay T.
//
// They hold for M images that are all sent at once and whose real work takes no
// time: the job then lasts T if any image is delayed, and nothing otherwise, so
// that with chance c for one image
//
//	E = T − T·(1 − c)^M
//
// The load probabilities p are those of the nodes, each from 0 to 1.
package closedform

import "math"

// Makespan is E ÷ T of a job of that many images, each delayed with that chance.
func Makespan(chance float64, images int) float64 {
	return 1 - math.Pow(1-chance, float64(images))
}

// Random is E ÷ T of the policy random: a node is drawn with equal chance, never
// rejects, and delays with its load probability.
func Random(p []float64, images int) float64 { return Makespan(RandomChance(p), images) }

// Balance is E ÷ T of the policy balance where a node that has rejected an image
// is left out of the round, and a new round begins when all have. NaN where
// every node always rejects, so that the job never ends.
func Balance(p []float64, images int) float64 { return Makespan(BalanceChance(p), images) }

// BalanceRedrawn is E ÷ T of the policy balance where a rejected image is drawn
// anew among all nodes, those that rejected it included: the form that the
// assignment gives. NaN where every node always rejects.
func BalanceRedrawn(p []float64, images int) float64 { return Makespan(RedrawnChance(p), images) }

// RandomChance is the chance that random delays an image: pA, the mean of p.
func RandomChance(p []float64) float64 {
	return mean(p, func(p float64) float64 { return p })
}

// RedrawnChance is the chance that an image is delayed where it is drawn anew
// among all nodes after each rejection: pD / (1 − pA), with pD the mean of p(1−p).
func RedrawnChance(p []float64) float64 {
	return mean(p, func(p float64) float64 { return p * (1 - p) }) / (1 - RandomChance(p))
}

// BalanceChance is the chance that an image is delayed where a node that has
// rejected it is left out of the round:
//
//	Σ accepted(i)·p(i)  ÷  (1 − Π p)
//
// The nodes are then asked in a random order without repetition, and node i has
// the image if all before it rejected and it does not:
//
//	accepted(i) = (1 − p(i)) · Σ over k of e(k) / (n · C(n−1, k))
//
// with e(k) the sum, over all sets of k other nodes, of the product of their p.
// All terms are positive, so nothing cancels.
func BalanceChance(p []float64) float64 {
	delayed, all := 0.0, 1.0
	for i, pi := range p {
		delayed += accepted(p, i) * pi
		all *= pi
	}
	return delayed / (1 - all)
}

// accepted is the chance that node i takes the image in one round.
func accepted(p []float64, i int) float64 {
	n := len(p)
	sums := make([]float64, n) // sums[k] = e(k) of the nodes seen so far
	sums[0] = 1
	for j, pj := range p {
		if j == i {
			continue
		}
		for k := n - 1; k > 0; k-- {
			sums[k] += sums[k-1] * pj
		}
	}
	total, sets := 0.0, 1.0 // sets = C(n−1, k)
	for k, sum := range sums {
		total += sum / (float64(n) * sets)
		sets *= float64(n-1-k) / float64(k+1)
	}
	return (1 - p[i]) * total
}

func mean(p []float64, f func(float64) float64) float64 {
	sum := 0.0
	for _, p := range p {
		sum += f(p)
	}
	return sum / float64(len(p))
}
