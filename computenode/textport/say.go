package textport

import (
	"math"
	"strconv"
	"strings"
	"time"

	"spillway/job"
)

// stamp begins every reply.
func stamp(now time.Time) string { return now.Format("<Jan 02, 2006 03:04:05 PM> ") }

// sayVideo is the reply to metadata.
func sayVideo(name string, v job.VideoInfo) string {
	return "video metadata for file " + name + " framerate " + v.Rate.String() + ", duration " + decimal(v.Duration.Seconds()) +
		", resolution " + strconv.Itoa(v.Width) + "," + strconv.Itoa(v.Height)
}

// sayFace is the reply to detect.
func sayFace(name string, face []job.Point) string {
	var points []string
	for _, p := range face {
		points = append(points, "("+decimal(p.X)+","+decimal(p.Y)+")")
	}
	return "face detected for file " + name + " with face data points " + strings.Join(points, ", ")
}

// sayActivity is the reply to view. Of several, the one that goes on for longest.
func sayActivity(all []job.Activity) string {
	if len(all) == 0 {
		return "no job"
	}
	video, frame := all[0].Frame()
	return "processing " + video + " " + strconv.FormatInt(frame, 10)
}

// decimal is a number with at most three digits behind the point, and no exponent.
func decimal(f float64) string {
	return strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64)
}
