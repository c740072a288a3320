//go:build gocv_specific_modules && gocv_photo

package opencv

import (
	"image"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// black is a picture of nothing.
func black(t *testing.T, w, h int) *Image {
	t.Helper()
	im := decoded(t, picture(t, w, h))
	clear(im.Pixels())
	return im
}

// painted lists the pixels that have a colour.
func painted(im *Image, c Colour) []image.Point {
	var at []image.Point
	pixels := im.Pixels()
	for i := 0; i < len(pixels); i += 3 {
		if slices.Equal(pixels[i:i+3], []byte{c.Blue, c.Green, c.Red}) {
			at = append(at, image.Pt(i/3%im.Width(), i/3/im.Width()))
		}
	}
	return at
}

func TestImage_PixelsAreTheMemoryItself(t *testing.T) {
	im := black(t, 7, 5)
	require.Len(t, im.Pixels(), 7*5*3)
	im.Pixels()[3*8] = 9
	require.Equal(t, []image.Point{{1, 1}}, painted(im, Colour{Blue: 9}))
	require.NoError(t, im.Close())
	require.Nil(t, im.Pixels())
	require.Nil(t, (*Image)(nil).Pixels())
}

func TestDraw_PaintsWhatItSaysAndNothingElse(t *testing.T) {
	c := Colour{Blue: 1, Green: 200, Red: 3}
	im := black(t, 20, 20)
	require.NoError(t, DrawLine(im, image.Pt(2, 3), image.Pt(6, 3), 1, c))
	require.Equal(t, []image.Point{{2, 3}, {3, 3}, {4, 3}, {5, 3}, {6, 3}}, painted(im, c))
	im = black(t, 20, 20)
	require.NoError(t, DrawPoint(im, image.Pt(5, 5), 1, c))
	require.Equal(t, []image.Point{{5, 4}, {4, 5}, {5, 5}, {6, 5}, {5, 6}}, painted(im, c))
	im = black(t, 20, 20)
	require.NoError(t, DrawBox(im, image.Rect(2, 2, 5, 5), 1, c))
	require.Len(t, painted(im, c), 8, "the border of 3 × 3 pixels")
	require.NotContains(t, painted(im, c), image.Pt(3, 3))
}

func TestDraw_BeyondThePictureIsLeftOut(t *testing.T) {
	c := Colour{Green: 255}
	im := black(t, 10, 10)
	require.NoError(t, DrawLine(im, image.Pt(-far, 4), image.Pt(far, 4), 1, c))
	require.Len(t, painted(im, c), 10)
	require.NoError(t, DrawPoint(im, image.Pt(-500, far), 3, c))
	require.NoError(t, DrawBox(im, image.Rect(-far, -far, far, far), 2, c))
	require.Len(t, painted(im, c), 10)
}

func TestDraw_NonsenseIsRefused(t *testing.T) {
	im, c := black(t, 10, 10), Colour{Red: 1}
	in, out, all := image.Pt(1, 1), image.Pt(far+1, 0), image.Rect(0, 0, 5, 5)
	for _, err := range []error{
		DrawPoint(im, out, 1, c), DrawPoint(im, in, 0, c), DrawPoint(im, in, -1, c), DrawPoint(im, in, 1<<30, c),
		DrawLine(im, in, out, 1, c), DrawLine(im, out, in, 1, c), DrawLine(im, in, in, 0, c),
		DrawBox(im, image.Rectangle{Min: in, Max: out}, 1, c), DrawBox(im, all, 0, c),
	} {
		require.ErrorIs(t, err, ErrGeometry)
	}
	_, err := Delaunay([]image.Point{in, out, {5, 5}})
	require.ErrorIs(t, err, ErrGeometry)
	require.NoError(t, im.Close())
	for _, err := range []error{DrawPoint(im, in, 1, c), DrawLine(im, in, in, 1, c), DrawBox(im, all, 1, c), DrawPoint(nil, in, 1, c)} {
		require.ErrorIs(t, err, ErrClosed)
	}
}

func TestDelaunay_OfASquareAreTwoTriangles(t *testing.T) {
	got, err := Delaunay([]image.Point{{0, 0}, {10, 0}, {10, 10}, {0, 10}, {10, 10}})
	require.NoError(t, err)
	require.Len(t, got, 2)
	used := map[int]bool{}
	for _, triangle := range got {
		for _, corner := range triangle {
			used[corner] = true
		}
	}
	require.Equal(t, map[int]bool{0: true, 1: true, 2: true, 3: true}, used, "the point that comes twice has its first number")
}

func TestDelaunay_WhatHasNoAreaMakesNone(t *testing.T) {
	for _, points := range [][]image.Point{
		nil, {{1, 1}}, {{1, 1}, {5, 9}}, {{1, 1}, {1, 1}, {1, 1}}, {{0, 0}, {5, 5}, {10, 10}, {20, 20}}, {{-far, -far}, {far, far}, {0, 0}},
	} {
		got, err := Delaunay(points)
		require.NoError(t, err)
		require.Empty(t, got, "%v", points)
	}
}

// cross is twice the area of the triangle a, b, c, with a sign.
func cross(a, b, c image.Point) int {
	return (b.X-a.X)*(c.Y-a.Y) - (b.Y-a.Y)*(c.X-a.X)
}

// hullArea is twice the area of the convex hull (A. Andrew's monotone chain).
func hullArea(points []image.Point) int {
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(a, b image.Point) int {
		if a.X != b.X {
			return a.X - b.X
		}
		return a.Y - b.Y
	})
	half := func(points []image.Point) []image.Point {
		var hull []image.Point
		for _, p := range points {
			for len(hull) > 1 && cross(hull[len(hull)-2], hull[len(hull)-1], p) <= 0 {
				hull = hull[:len(hull)-1]
			}
			hull = append(hull, p)
		}
		return hull[:len(hull)-1]
	}
	lower := half(sorted)
	slices.Reverse(sorted)
	hull := append(lower, half(sorted)...)
	area := 0
	for i := range hull {
		area += cross(image.Point{}, hull[i], hull[(i+1)%len(hull)])
	}
	return area
}

// Triangles of random points cover their convex hull, once; a box that is tight
// around them loses triangles of two sets in three.
func TestDelaunay_CoversTheHullOfRandomPoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const sets = 2000
	short := 0
	for range sets {
		size := 20 + rng.IntN(2000)
		points := make([]image.Point, 68)
		for i := range points {
			points[i] = image.Pt(rng.IntN(size)-50, rng.IntN(size)+100)
		}
		triangles, err := Delaunay(points)
		require.NoError(t, err)
		area := 0
		for _, c := range triangles {
			one := cross(points[c[0]], points[c[1]], points[c[2]])
			area += max(one, -one)
		}
		require.LessOrEqual(t, area, hullArea(points), "no place is covered twice")
		if area < hullArea(points) {
			short++
		}
	}
	require.LessOrEqual(t, short, sets/200, "sets that lack a triangle at the border")
}

// No point lies within the circle through the corners of a triangle, which is the
// sign of the determinant (L. Guibas and J. Stolfi, 1985).
func TestDelaunay_EveryCircleIsEmpty(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	points := make([]image.Point, 120)
	for i := range points {
		points[i] = image.Pt(rng.IntN(900), rng.IntN(700))
	}
	triangles, err := Delaunay(points)
	require.NoError(t, err)
	require.NotEmpty(t, triangles)
	for _, corner := range triangles {
		a, b, c := points[corner[0]], points[corner[1]], points[corner[2]]
		if cross(a, b, c) < 0 {
			b, c = c, b
		}
		for _, p := range points {
			u, v, w := a.Sub(p), b.Sub(p), c.Sub(p)
			square := func(q image.Point) int { return q.X*q.X + q.Y*q.Y }
			inside := square(u)*cross(image.Point{}, v, w) - square(v)*cross(image.Point{}, u, w) + square(w)*cross(image.Point{}, u, v)
			require.LessOrEqual(t, inside, 0, "%v lies within the circle of %v %v %v", p, a, b, c)
		}
	}
}
