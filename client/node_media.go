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
	"spillway/view"
)

// fileView is a file as JSON.
type fileView struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Path string `json:"path,omitempty"`
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
		v := view.OfActivity(a)
		if err := s.tell(v, "processing %s %d  %s, since %s", job.Shown(v.Video), v.Frame, job.Shown(a.Operation), a.Since.Local().Format(time.TimeOnly)); err != nil {
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
		return printEach(s, all, view.OfFile)
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
		return s.printJSON(view.OfVideo(name, v))
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
	var points []string
	for _, p := range face {
		points = append(points, fmt.Sprintf("(%v,%v)", p.X, p.Y))
	}
	return s.tell(view.OfFace(name, face), "%s", strings.Join(points, ", "))
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
