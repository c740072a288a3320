package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"spillway/job"
	"spillway/rpc"
)

// fileView is a file as JSON.
type fileView struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Path string `json:"path,omitempty"`
}

// activityView is what a node works on, as JSON.
type activityView struct {
	File      string    `json:"file"`
	Video     string    `json:"video_id"`
	Frame     int64     `json:"frame"`
	Operation string    `json:"operation"`
	Since     time.Time `json:"since"`
}

// videoView is a video as JSON.
type videoView struct {
	Name     string  `json:"name"`
	Rate     float64 `json:"framerate"`
	RateNum  int64   `json:"framerate_numerator"`
	RateDen  int64   `json:"framerate_denominator"`
	Duration float64 `json:"duration_s"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Codec    string  `json:"codec"`
	Frames   int64   `json:"frames"`
	Audio    bool    `json:"audio"`
}

// faceView is a face as JSON: its 68 points as [x, y]; none: no face.
type faceView struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

func (s *session) nodeView(ctx context.Context, node *rpc.NodeConn) error {
	all, err := node.View(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 && !s.cfg.json {
		return s.tell(nil, "no job")
	}
	for _, a := range all {
		video, frame := a.Frame()
		v := activityView{File: a.File, Video: video, Frame: frame, Operation: a.Operation, Since: a.Since}
		if err := s.tell(v, "processing %s %d  %s, since %s", job.Shown(video), frame, job.Shown(a.Operation), a.Since.Local().Format(time.TimeOnly)); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) nodeList(ctx context.Context, node *rpc.NodeConn) error {
	all, err := node.List(ctx)
	if err != nil {
		return err
	}
	if s.cfg.json {
		return printEach(s, all, func(f job.FileInfo) fileView { return fileView{Name: f.Name, Size: f.Size} })
	}
	t := table{text: 1}
	t.row("file", "bytes")
	for _, f := range all {
		t.row(job.Shown(f.Name), strconv.FormatInt(f.Size, 10))
	}
	t.print(s.out.stdout)
	return nil
}

func (s *session) nodeMetadata(ctx context.Context, node *rpc.NodeConn) error {
	name := s.cfg.node.args[0]
	v, err := node.Metadata(ctx, name)
	if err != nil {
		return err
	}
	if s.cfg.json {
		return s.printJSON(videoView{
			Name: name, Rate: v.Rate.Float(), RateNum: v.Rate.Num, RateDen: v.Rate.Den, Duration: v.Duration.Seconds(),
			Width: v.Width, Height: v.Height, Codec: v.Codec, Frames: v.Frames, Audio: v.Audio,
		})
	}
	t := table{text: 2}
	t.row("video", job.Shown(name))
	t.row("framerate", fmt.Sprintf("%s (%d/%d)", v.Rate, v.Rate.Num, v.Rate.Den))
	t.row("duration", fmt.Sprintf("%.3f s, %d frames", v.Duration.Seconds(), v.Frames))
	t.row("resolution", fmt.Sprintf("%d × %d", v.Width, v.Height))
	t.row("codec", job.Shown(v.Codec))
	t.row("audio", map[bool]string{true: "yes", false: "no"}[v.Audio])
	t.print(s.out.stdout)
	return nil
}

func (s *session) nodeExtract(ctx context.Context, node *rpc.NodeConn) error {
	c := s.cfg.node
	rate, err := c.wantedRate()
	if err != nil {
		return err
	}
	names, err := node.Extract(ctx, job.Extraction{Name: c.args[0], Rate: rate, From: c.from, Duration: c.duration})
	if err != nil {
		return err
	}
	return s.tell(map[string]any{"name": c.args[0], "files": names}, "%s", strings.Join(names, "\n"))
}

func (s *session) nodeCreate(ctx context.Context, node *rpc.NodeConn) error {
	c := s.cfg.node
	rate, err := c.wantedRate()
	if err != nil {
		return err
	}
	name, err := node.Create(ctx, job.Creation{Output: c.args[0], Names: c.args[1:], Rate: rate, Duration: c.duration, Audio: c.audio})
	if err != nil {
		return err
	}
	return s.tell(map[string]string{"name": name}, "%s", job.Shown(name))
}

func (s *session) nodeFace(ctx context.Context, node *rpc.NodeConn) error {
	name := s.cfg.node.args[0]
	face, err := s.findFace(ctx, node, name)
	if err != nil {
		return err
	}
	v := faceView{Name: name}
	var points []string
	for _, p := range face {
		v.Points = append(v.Points, [2]float64{p.X, p.Y})
		points = append(points, fmt.Sprintf("(%v,%v)", p.X, p.Y))
	}
	return s.tell(v, "%s", strings.Join(points, ", "))
}

func (s *session) nodeMesh(ctx context.Context, node *rpc.NodeConn) error {
	name := s.cfg.node.args[0]
	face, err := s.findFace(ctx, node, name)
	if err != nil {
		return err
	}
	mesh, err := node.DrawMesh(ctx, name, face)
	if err != nil {
		return err
	}
	return s.tell(map[string]string{"name": mesh}, "%s", job.Shown(mesh))
}

// findFace is the first face of a picture. Errors: NotFound where there is none.
func (s *session) findFace(ctx context.Context, node *rpc.NodeConn, name string) ([]job.Point, error) {
	face, err := node.DetectFace(ctx, name)
	if err == nil && len(face) == 0 {
		err = job.E(job.NotFound, "detect face", fmt.Errorf("no face detected in %w", errors.New(job.Shown(name))), "use a picture of a face from in front, of 80 pixels or more")
	}
	return face, err
}
