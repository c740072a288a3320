package view

import (
	"time"

	"spillway/job"
)

// File is a file of a node's own file space.
type File struct {
	Name string `json:"name" example:"clip.avi"`
	Size int64  `json:"size" doc:"bytes"`
}

// Activity is one thing that a node works on.
type Activity struct {
	File      string    `json:"file" example:"clip.12.png"`
	Video     string    `json:"video_id" doc:"the video that the file is a frame of" example:"clip"`
	Frame     int64     `json:"frame" doc:"its number; 0 for what is no frame"`
	Operation string    `json:"operation" doc:"what is done to it"`
	Since     time.Time `json:"since" doc:"when that began"`
}

// Video describes a video.
type Video struct {
	Name     string  `json:"name" example:"clip.avi"`
	Rate     float64 `json:"framerate" doc:"pictures a second"`
	RateNum  int64   `json:"framerate_numerator"`
	RateDen  int64   `json:"framerate_denominator"`
	Duration float64 `json:"duration_s" doc:"seconds"`
	Width    int     `json:"width" doc:"pixels, as it is shown"`
	Height   int     `json:"height" doc:"pixels, as it is shown"`
	Codec    string  `json:"codec" doc:"as FFmpeg calls it" example:"h264"`
	Frames   int64   `json:"frames"`
	Audio    bool    `json:"audio" doc:"there is sound, too"`
}

// Face is the first face of a picture.
type Face struct {
	Name   string       `json:"name" doc:"the picture" example:"clip.51.png"`
	Points [][2]float64 `json:"points" doc:"68 points [x, y] in pixels from the upper left corner"`
}

// OfFile shows a file.
func OfFile(f job.FileInfo) File { return File{Name: f.Name, Size: f.Size} }

// OfActivity shows what a node works on.
func OfActivity(a job.Activity) Activity {
	video, frame := a.Frame()
	return Activity{File: a.File, Video: video, Frame: frame, Operation: a.Operation, Since: moment(a.Since)}
}

// OfVideo shows the video of that name.
func OfVideo(name string, v job.VideoInfo) Video {
	return Video{
		Name: name, Rate: v.Rate.Float(), RateNum: v.Rate.Num, RateDen: v.Rate.Den, Duration: seconds(v.Duration),
		Width: v.Width, Height: v.Height, Codec: v.Codec, Frames: v.Frames, Audio: v.Audio,
	}
}

// OfFace shows the face of the picture of that name.
func OfFace(name string, points []job.Point) Face {
	return Face{Name: name, Points: Each(points, func(p job.Point) [2]float64 { return [2]float64{p.X, p.Y} })}
}
