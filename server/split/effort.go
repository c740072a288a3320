package split

import (
	"math"
	"strconv"
	"strings"

	"spillway/job"
)

// effort is how long a frame of width × height takes with an operation of [job.VideoPrefix]:
// as long as decoding, blurring and encoding so many pixels, some 60 ns of CPU time each.
// Where it depends on a parameter, so does the effort; one that is none is the default.
func effort(op job.Operation, width, height int) int {
	pixels := float64(width) * float64(height)
	number := func(name string, otherwise float64) float64 {
		value, err := strconv.ParseFloat(op.Params[name], 64)
		if err != nil || value < 0 {
			return otherwise
		}
		return value
	}
	switch strings.TrimPrefix(op.Name, job.VideoPrefix) {
	case "denoise": // 40 times as long with the default window, and with its area
		pixels *= 1 + 40*math.Pow(number("search", 21)/21, 2)
	case "face_mesh": // looked for in a smaller picture, which takes four times as long each time it is doubled
		pixels += 2 * min(pixels, facesPixels) * math.Pow(4, number("upsample", 0))
	case "resize":
		wide, high := number("width", 0), number("height", 0)
		switch {
		case wide > 0 && high > 0:
			pixels += wide * high
		case wide > 0 || high > 0:
			pixels += pixels * math.Pow(max(wide/float64(width), high/float64(height)), 2)
		default:
			pixels += pixels * math.Pow(number("scale", 0.5), 2)
		}
	}
	return int(min(pixels, math.MaxInt32))
}

// facesPixels are those of the picture in which a node looks for faces: 1280 a side.
const facesPixels = 1280 * 1280
