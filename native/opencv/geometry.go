package opencv

import (
	"fmt"
	"image"
)

// Colour is what is drawn with; of a gray picture it sets the first part alone.
type Colour struct {
	Blue, Green, Red uint8
}

// far bounds the coordinates that are drawn or joined, and the lengths.
const far = 1 << 20

// checkPlaces reports points beyond what a picture can have around it.
// Errors: ErrGeometry.
func checkPlaces(points ...image.Point) error {
	for _, p := range points {
		if p.X < -far || p.Y < -far || p.X > far || p.Y > far {
			return fmt.Errorf("%w: %v", ErrGeometry, p)
		}
	}
	return nil
}

// checkLength reports a radius or width that cannot be drawn. Errors: ErrGeometry.
func checkLength(pixels int) error {
	const most = 1 << 12
	if pixels < 1 || pixels > most {
		return fmt.Errorf("%w: %d pixels are not 1 to %d", ErrGeometry, pixels, most)
	}
	return nil
}

// padding is the room around points that keeps the outer vertices of Subdiv2D
// away: 1000 times their extent, and never more than its integers hold. With
// little room those vertices lie within the circumcircles of flat triangles at the
// border, which are then lost.
func padding(extent int) int {
	const times, most = 1000, 1 << 28
	return min(times*max(extent, 1), most)
}
