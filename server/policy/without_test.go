package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// without draws sets of members and of those that are left out, of every density.
func without(t *testing.T, test func(t *testing.T, r *rand.Rand, members []int, out *Set)) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		var all []int
		out, size, dense := &Set{}, 1+r.IntN(700), r.Float64()
		for i := range size + r.IntN(100) {
			if i < size && r.IntN(3) > 0 {
				all = append(all, i)
			}
			if r.Float64() < dense || seed%5 == 0 && i%97 > 0 {
				out.Add(i)
			}
		}
		test(t, r, all, out)
	}
}

// left are the members that are not left out.
func left(members []int, out *Set) (in []int) {
	for _, i := range members {
		if !out.Has(i) {
			in = append(in, i)
		}
	}
	return in
}

func TestSet_CountsAndFindsThoseThatAreNotInAnother(t *testing.T) {
	without(t, func(t *testing.T, _ *rand.Rand, members []int, out *Set) {
		var s, same Set
		for _, i := range members {
			s.Add(i)
		}
		in := left(members, out)
		require.Equal(t, len(in), s.lenWithout(out))
		require.Equal(t, len(members), s.lenWithout(nil))
		for n, i := range in {
			require.Equal(t, i, s.nthWithout(n, out))
		}
		same.Add(0)
		same.AddAll(nil)
		same.AddAll(&s)
		same.AddAll(&s)
		if !s.Has(0) {
			same.Remove(0)
		}
		require.Equal(t, s.Len(), same.Len())
		require.Zero(t, same.lenWithout(&s))
	})
}

func TestRanking_FindsTheLeastOfThoseThatAreNotLeftOut(t *testing.T) {
	without(t, func(t *testing.T, r *rand.Rand, members []int, out *Set) {
		var rank ranking
		for n, i := range members {
			key := uint64(r.IntN(len(members)))
			if out.Has(i) && n%2 == 0 {
				key = 0 // those that are left out stand first
			}
			rank.put(i, key<<10|uint64(i))
		}
		in := left(members, out)
		other := -1
		if len(in) > 0 {
			other = in[r.IntN(len(in))]
		}
		want := -1
		for _, i := range in {
			if i != other && (want < 0 || rank.keys[i] < rank.keys[want]) {
				want = i
			}
		}
		require.Equal(t, want, rank.least(out, other))
		require.Equal(t, want, rank.leastOfAll(out, []int{other}))
	})
}

func TestByOutstanding_FindsTheFewestOfThoseThatAreNotLeftOut(t *testing.T) {
	without(t, func(t *testing.T, r *rand.Rand, members []int, out *Set) {
		var b byOutstanding
		for _, i := range members {
			b.mark(i, true)
			if !out.Has(i) { // those that are left out have the fewest
				b.observe(Observation{Node: i, Kind: Sent})
			}
			for range r.IntN(4) {
				b.observe(Observation{Node: i, Kind: Sent})
			}
		}
		in := left(members, out)
		i, v := b.least(Request{Rand: r, Excluded: out})
		if len(in) == 0 {
			require.Equal(t, Nobody, v)
			return
		}
		require.Equal(t, Chosen, v)
		require.Contains(t, in, i)
		for _, other := range in {
			require.LessOrEqual(t, b.count[i], b.count[other])
		}
	})
}

func TestByOutstanding_DrawsEvenlyWhereMostAreLeftOut(t *testing.T) {
	var b byOutstanding
	var out Set
	for i := range 2000 {
		b.mark(i, true)
		if i%400 > 0 {
			out.Add(i)
		}
	}
	requireEven(t, 5, func(r Request) (int, Verdict) { return b.least(r) }, &out)
}

func TestPresent_DrawsEvenlyWhereMostAreLeftOut(t *testing.T) {
	var p present
	var out Set
	for i := range 2000 {
		p.mark(i, true)
		if i%400 > 0 {
			out.Add(i)
		}
	}
	requireEven(t, 5, p.draw, &out)
	requireEven(t, 5, func(r Request) (int, Verdict) {
		_, b, v := p.two(r)
		return b, v
	}, &out)
	pairs := map[[2]int]int{}
	r := Request{Rand: rand.New(rand.NewPCG(1, 2)), Excluded: &out}
	for range 10_000 {
		a, b, _ := p.two(r)
		require.NotEqual(t, a, b)
		pairs[[2]int{a, b}]++
	}
	require.Len(t, pairs, 20)
	for pair, n := range pairs {
		require.InDelta(t, 500, n, 120, pair)
	}
}

// requireEven checks that each of so many nodes is picked about as often.
func requireEven(t *testing.T, nodes int, pick func(r Request) (int, Verdict), out *Set) {
	counts := map[int]int{}
	r := Request{Rand: rand.New(rand.NewPCG(1, 2)), Excluded: out}
	for range 1000 * nodes {
		i, v := pick(r)
		require.Equal(t, Chosen, v)
		counts[i]++
	}
	require.Len(t, counts, nodes)
	for i, n := range counts {
		require.InDelta(t, 1000, n, 150, "node %d", i)
	}
}
