package face

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// people draws the descriptors of so many people, so many faces each, which lie within
// 0.5 of each other and far from those of others, in an order without order. It tells
// whose each is.
func people(persons, faces int) (all []Descriptor, whose []int) {
	rng := rand.New(rand.NewPCG(7, 7))
	for p := range persons {
		var middle Descriptor
		for i := range middle {
			middle[i] = float32(rng.NormFloat64() * 0.12) // 1.9 from others
		}
		for range faces {
			d := middle
			for i := range d {
				d[i] += float32((rng.Float64() - 0.5) * 0.1) // 0.33 or so from its own
			}
			all, whose = append(all, d), append(whose, p)
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i]; whose[i], whose[j] = whose[j], whose[i] })
	return all, whose
}

// at is a descriptor with one number that is not 0.
func at(x float64) Descriptor { return Descriptor{100: float32(x)} }

func TestDistance_IsEuclids(t *testing.T) {
	a, b := Descriptor{0: 3, 127: 1}, Descriptor{64: 4, 127: 1}
	require.InDelta(t, 5, Distance(&a, &b), 1e-6)
	require.Zero(t, Distance(&a, &a))
	bad := Descriptor{5: float32(math.NaN())}
	require.True(t, math.IsNaN(Distance(&a, &bad)))
	require.False(t, bad.Finite())
	require.False(t, (&Descriptor{5: float32(math.Inf(-1))}).Finite())
	require.True(t, a.Finite())
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var c, d Descriptor
		sum := 0.0
		for i := range c {
			c[i], d[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
			sum += math.Pow(float64(c[i])-float64(d[i]), 2)
		}
		require.InDelta(t, math.Sqrt(sum), Distance(&c, &d), 1e-4)
		most := rng.Float32() * 512
		require.Equal(t, sum <= float64(most), within(&c, &d, most) <= most)
	}
}

func TestNearest_IsWithinTheThresholdAndOfOneName(t *testing.T) {
	samples := []Sample{{"carol", at(0)}, {"bob", at(1)}, {"alice", at(1)}, {"nobody", at(math.NaN())}}
	near := func(x, threshold float64) *Match { d := at(x); return Nearest(samples, &d, threshold) }
	require.Equal(t, &Match{Name: "carol", Distance: 0.25}, near(0.25, 0.6))
	require.Equal(t, &Match{Name: "carol", Distance: 0.25}, near(-0.25, 0.25), "the threshold itself is within")
	require.Equal(t, &Match{Name: "alice", Distance: 0}, near(1, 0.6), "the first by name of two that are as near")
	require.Nil(t, near(-0.75, 0.6))
	require.Nil(t, near(math.NaN(), 0.6))
	require.Nil(t, Nearest(nil, &Descriptor{}, 0.6))
	require.Equal(t, &Match{Name: "carol"}, near(0, 0), "a threshold of 0 wants the same")
}

func TestGroup_FindsThePeople(t *testing.T) {
	all, whose := people(30, 20)
	group, err := Group(t.Context(), all, Threshold, 2)
	require.NoError(t, err)
	require.Equal(t, renumber(slices.Clone(whose)), group)
	for _, workers := range []int{1, 3, 0} {
		again, err := Group(t.Context(), all, Threshold, workers)
		require.NoError(t, err)
		require.Equal(t, group, again, "%d workers", workers)
	}
}

// A crowd of one person, of whom each face keeps only some neighbours, is still one.
func TestGroup_ManyFacesOfOnePersonStayTogether(t *testing.T) {
	all, whose := people(2, 1500)
	group, err := Group(t.Context(), all, Threshold, 2)
	require.NoError(t, err)
	require.Equal(t, renumber(slices.Clone(whose)), group)
}

// A face between two people is near to one of each. Single linkage would make all of them
// one.
func TestGroup_AFaceBetweenTwoPeopleDoesNotMakeThemOne(t *testing.T) {
	var all []Descriptor
	for i := range 10 {
		all = append(all, at(float64(i)*0.01), at(1.1+float64(i)*0.01))
	}
	all = append(all, at(0.595)) // near to a few of each
	group, err := Group(t.Context(), all, 0.52, 1)
	require.NoError(t, err)
	require.NotEqual(t, group[0], group[1])
	for i := 2; i < 20; i++ {
		require.Equal(t, group[i%2], group[i])
	}
}

func TestGroup_HostileNumbersStayAlone(t *testing.T) {
	inf := at(math.Inf(1))
	all := []Descriptor{at(0), at(math.NaN()), at(0), inf, at(math.NaN()), inf, at(math.MaxFloat32), at(-math.MaxFloat32)}
	group, err := Group(t.Context(), all, Threshold, 2)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 0, 2, 3, 4, 5, 6}, group)
	none, err := Group(t.Context(), nil, Threshold, 2)
	require.NoError(t, err)
	require.Empty(t, none)
	one, err := Group(t.Context(), all[:1], Threshold, 2)
	require.NoError(t, err)
	require.Equal(t, []int{0}, one)
}

func TestGroup_EndsWithItsContext(t *testing.T) {
	all, _ := people(2, 10)
	ctx, end := context.WithCancel(t.Context())
	end()
	_, err := Group(ctx, all, Threshold, 2)
	require.ErrorIs(t, err, context.Canceled)
}

// The lists of a face's neighbours are what takes memory.
func TestNeighbours_AreBoundedHoweverManyAreAlike(t *testing.T) {
	all := make([]Descriptor, 3000)
	edges, err := neighbours(t.Context(), all, Threshold, 2)
	require.NoError(t, err)
	total := 0
	for i, list := range edges {
		total += len(list)
		require.True(t, slices.IsSorted(list))
		require.NotContains(t, list, int32(i))
	}
	require.LessOrEqual(t, total, 2*degree*len(all))
	group, err := Group(t.Context(), all, Threshold, 2)
	require.NoError(t, err)
	require.Equal(t, make([]int, len(all)), group)
}

// picture is one with faces; a name before the number is a known face's: "alice:1".
func picture(image string, faces ...string) Picture {
	p := Picture{Image: image}
	for i, f := range faces {
		name, number, named := strings.Cut(f, ":")
		if !named {
			name, number = "", f
		}
		var x float64
		if _, err := fmt.Sscan(number, &x); err != nil {
			panic(err)
		}
		next := Face{Box: Box{X: i}, Descriptor: at(x)}
		if named {
			next.Match = &Match{Name: name}
		}
		p.Faces = append(p.Faces, next)
	}
	return p
}

func census(t *testing.T, pictures ...Picture) People {
	t.Helper()
	var c Census
	for _, p := range pictures {
		require.NoError(t, c.Add(p))
	}
	all, err := c.People(t.Context(), Threshold, 2)
	require.NoError(t, err)
	return all
}

func TestCensus_PersonsComeByNumberOfFacesWhateverTheOrderOfPictures(t *testing.T) {
	pictures := []Picture{picture("a.jpg", "1", "5"), picture("b.jpg", "9"), picture("c.jpg", "5.1", "20"), picture("d.jpg"), picture("e.jpg", "4.9", "20.1")}
	want := People{Threshold: Threshold, Pictures: 5, Faces: 7, Persons: []Person{
		{ID: 1, Faces: []Sighting{{"a.jpg", Box{X: 1}}, {"c.jpg", Box{X: 0}}, {"e.jpg", Box{X: 0}}}},
		{ID: 2, Faces: []Sighting{{"c.jpg", Box{X: 1}}, {"e.jpg", Box{X: 1}}}},
		{ID: 3, Faces: []Sighting{{"a.jpg", Box{X: 0}}}},
		{ID: 4, Faces: []Sighting{{"b.jpg", Box{X: 0}}}},
	}}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10 {
		rng.Shuffle(len(pictures), func(i, j int) { pictures[i], pictures[j] = pictures[j], pictures[i] })
		require.Equal(t, want, census(t, pictures...))
	}
}

func TestCensus_MostFacesNameAPersonAndOneNameIsOnePerson(t *testing.T) {
	all := census(t,
		picture("a.jpg", "alice:1", "bob:1.1", "1.2"), // one person, and a face each of two names
		picture("b.jpg", "alice:1.1"),
		picture("c.jpg", "alice:9"), // alice in another light
		picture("d.jpg", "30"))
	require.Equal(t, []string{"alice", ""}, []string{all.Persons[0].Name, all.Persons[1].Name})
	require.Len(t, all.Persons[0].Faces, 5)
	tie := census(t, picture("a.jpg", "bob:1", "alice:1"))
	require.Equal(t, "alice", tie.Persons[0].Name)
}

func TestCensus_OfNobodyIsAnEmptyList(t *testing.T) {
	for _, all := range []People{census(t), census(t, picture("a.jpg"))} {
		text, err := json.Marshal(all)
		require.NoError(t, err)
		require.Contains(t, string(text), `"faces":0,"persons":[]`)
	}
}

func TestCensus_OtherKnownFacesAreToldAndTooManyRefused(t *testing.T) {
	a, b, plain := picture("a.jpg"), picture("b.jpg"), picture("c.jpg")
	a.Known, b.Known = &Known{Sum: "1"}, &Known{Sum: "2"}
	for _, pair := range [][2]Picture{{a, b}, {b, a}, {a, plain}, {plain, a}} {
		var c Census
		require.NoError(t, c.Add(pair[0]))
		require.ErrorIs(t, c.Add(pair[1]), ErrKnown)
	}
	var c Census
	full := Picture{Faces: make([]Face, MaxFaces)}
	require.NoError(t, c.Add(full))
	require.ErrorIs(t, c.Add(picture("x.jpg", "1")), ErrTooMany)
	require.NoError(t, c.Add(picture("y.jpg")))
}

func TestSum_TellsNamesAndNumbersApart(t *testing.T) {
	base := []Sample{{"ab", at(1)}, {"c", at(2)}}
	require.Equal(t, Sum(base), Sum(slices.Clone(base)))
	for _, other := range [][]Sample{nil, base[:1], {{"ab", at(1)}, {"c", at(3)}}, {{"a", at(1)}, {"bc", at(2)}}, {base[1], base[0]}} {
		require.NotEqual(t, Sum(base), Sum(other))
	}
}

func TestDescriptor_JSONKeepsEveryBitAndWantsAllNumbers(t *testing.T) {
	all, _ := people(1, 1)
	text, err := json.Marshal(Face{Descriptor: all[0]})
	require.NoError(t, err)
	var back Face
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, all[0], back.Descriptor)
	for _, bad := range []string{"[]", "[1,2]", "[" + strings.Repeat("0,", Numbers) + "0]", `"x"`, "[1e99" + strings.Repeat(",0", Numbers-1) + "]", "null"} {
		require.Error(t, json.Unmarshal([]byte(`{"descriptor":`+bad+`}`), &back), bad)
	}
	_, err = json.Marshal(Face{Descriptor: at(math.NaN())})
	require.Error(t, err)
}

// BenchmarkGroup is 20,000 faces: of 500 people, and of one.
func BenchmarkGroup(b *testing.B) {
	for _, persons := range []int{500, 1} {
		all, _ := people(persons, 20_000/persons)
		b.Run(fmt.Sprintf("%d persons", persons), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := Group(b.Context(), all, Threshold, 1)
				require.NoError(b, err)
			}
		})
	}
}
