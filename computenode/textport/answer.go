package textport

import (
	"context"
	"strings"

	"spillway/job"
)

// answer does a request that no bytes go with, and gives its reply. Errors are those
// that the protocol has no reply for.
func (p *Port) answer(ctx context.Context, r request) (string, error) {
	switch r.verb {
	case view:
		all, err := p.node.View(ctx)
		return sayActivity(all), err
	case metadata:
		v, err := p.node.Metadata(ctx, r.name)
		if err != nil {
			return unknownVideo("", r.name, err)
		}
		return sayVideo(r.name, v), nil
	case extract:
		return p.extract(ctx, r)
	case create:
		name, err := p.node.Create(ctx, job.Creation{Names: r.names, Rate: r.rate, Duration: r.duration})
		if err != nil {
			p.log.Warn("video not created", "first", r.names[0], "files", len(r.names), "err", err)
			return "failed to create video", nil
		}
		return "video created with filename " + name, nil
	case detect:
		face, err := p.node.DetectFace(ctx, r.name)
		switch {
		case err != nil:
			return missing(r.name, err)
		case len(face) == 0:
			return "no face detected for file " + r.name, nil
		}
		return sayFace(r.name, face), nil
	case draw:
		name, err := p.node.DrawMesh(ctx, r.name, r.face)
		if err != nil {
			return missing(job.MeshPrefix+r.name, err)
		}
		return "mesh drawn for file " + name, nil
	case deleteOne:
		if err := p.node.Delete(ctx, r.name); err != nil {
			return missing(r.name, err)
		}
		return "deleted file " + r.name, nil
	}
	return "temporary directory empty", p.node.DeleteAll(ctx)
}

// extract makes pictures of a video.
func (p *Port) extract(ctx context.Context, r request) (string, error) {
	const failed = "extract video failed: "
	names, err := p.node.Extract(ctx, job.Extraction{Name: r.name, Rate: r.rate, Duration: r.duration})
	switch {
	case err == nil:
		return "video extracted for file " + r.name + " with file sequence " + strings.Join(names, " "), nil
	case job.CodeOf(err) == job.ResourceExhausted:
		return failed + "local disk storage full", nil
	}
	text, err := unknownVideo(failed, r.name, err)
	if err != nil {
		return failed + job.Describe(err), nil
	}
	return text, nil
}

// unknownVideo is the reply for a file that is no video.
func unknownVideo(prefix, name string, err error) (string, error) {
	switch job.CodeOf(err) {
	case job.InvalidArgument, job.DataLoss:
		return prefix + "unknown video format for file " + name, nil
	}
	text, err := missing(name, err)
	return prefix + text, err
}

// missing is the reply for a file that is not there; any other error stays.
func missing(name string, err error) (string, error) {
	if job.CodeOf(err) == job.NotFound {
		return "file not found for file " + name, nil
	}
	return "", err
}
