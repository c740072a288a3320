package textport

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"spillway/job"
)

// verb is what a request asks for.
type verb string

const (
	view      verb = "view job"
	put       verb = "put file"
	get       verb = "get file"
	metadata  verb = "get video metadata for file"
	extract   verb = "extract video images"
	create    verb = "create video from images"
	detect    verb = "detect face for file"
	draw      verb = "draw mesh for file"
	deleteOne verb = "delete"
	deleteAll verb = "delete all files"
)

// request is a line that was understood.
type request struct {
	verb     verb
	name     string // of a file
	size     int64  // of put
	rate     job.Rate
	duration time.Duration
	names    []string    // of create
	face     []job.Point // of draw
}

// bad is a line that was not understood, with the way to write it.
func bad(why, form string) error {
	return job.E(job.InvalidArgument, "", errors.New(why), "write: "+form)
}

// The forms of the requests that have more than a name.
const (
	putForm     = "put file F with length N"
	extractForm = "extract video images with framerate R duration S for file F"
	createForm  = "create video from images with framerate R, duration S, for file sequence F1 F2 ..."
	drawForm    = "draw mesh for file F with face data points (x1,y1), ..., (x68,y68)"
)

// parse reads one line, without its end. Errors: InvalidArgument.
func parse(line string) (request, error) {
	switch line {
	case string(view):
		return request{verb: view}, nil
	case string(deleteAll):
		return request{verb: deleteAll}, nil
	}
	for _, try := range []struct {
		verb verb
		read func(rest string) (request, error)
	}{
		{put, parsePut},
		{metadata, parseName},
		{get, parseName},
		{extract, parseExtract},
		{create, parseCreate},
		{detect, parseName},
		{draw, parseDraw},
		{deleteOne, parseName},
	} {
		rest, ok := strings.CutPrefix(line, string(try.verb)+" ")
		if !ok {
			continue
		}
		r, err := try.read(rest)
		r.verb = try.verb
		if err == nil && r.name != "" {
			err = job.CheckFileName(r.name)
		}
		return r, err
	}
	return request{}, bad("there is no such request", "view job; put file, get file, get video metadata for file, extract video images, "+
		"create video from images, detect face for file, draw mesh for file, delete, delete all files")
}

func parseName(rest string) (request, error) {
	if rest == "" {
		return request{}, bad("the file's name is missing", "its name, as in 12.1.png")
	}
	return request{name: rest}, nil
}

func parsePut(rest string) (request, error) {
	at := strings.LastIndex(rest, withLength)
	if at < 1 {
		return request{}, bad("the file's name or its length is missing", putForm)
	}
	size, err := parseLength(rest[at+len(withLength):])
	return request{name: rest[:at], size: size}, err
}

const withLength = " with length "

// parseLength reads digits, and nothing else.
func parseLength(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, bad("the length is no whole number of bytes", putForm)
	}
	return int64(n), nil
}

func parseExtract(rest string) (request, error) {
	r, rest, err := parseTimes(rest, extractForm)
	if err != nil {
		return r, err
	}
	name, ok := strings.CutPrefix(rest, "file ")
	if !ok || name == "" {
		return r, bad("the file's name is missing", extractForm)
	}
	r.name = name
	return r, nil
}

func parseCreate(rest string) (request, error) {
	r, rest, err := parseTimes(rest, createForm)
	if err != nil {
		return r, err
	}
	list, ok := strings.CutPrefix(rest, "file sequence ")
	if r.names = strings.Fields(list); !ok || len(r.names) == 0 {
		return r, bad("the file sequence is missing", createForm)
	}
	for _, name := range r.names {
		if err := job.CheckFileName(name); err != nil {
			return r, err
		}
	}
	return r, nil
}

// parseTimes reads "with framerate R, duration S, for "; the commas may be missing. A
// duration of 0 is all there is.
func parseTimes(text, form string) (r request, rest string, err error) {
	text, ok := strings.CutPrefix(text, "with framerate ")
	rate, text, ok2 := strings.Cut(text, " duration ")
	seconds, rest, ok3 := strings.Cut(text, " for ")
	if !ok || !ok2 || !ok3 {
		return r, "", bad("the framerate or the duration is missing", form)
	}
	if r.rate, err = job.ParseRate(strings.TrimSuffix(rate, ",")); err != nil {
		return r, "", err
	}
	s, err := strconv.ParseFloat(strings.TrimSuffix(seconds, ","), 64)
	if err != nil || !(s >= 0 && s < math.MaxInt64/float64(time.Second)) {
		return r, "", bad("the duration is no number of seconds", form)
	}
	r.duration = time.Duration(math.Ceil(s * float64(time.Second))) // not 0, which is all there is
	return r, rest, nil
}

func parseDraw(rest string) (request, error) {
	const with = " with face data points "
	at := strings.LastIndex(rest, with)
	if at < 1 {
		return request{}, bad("the file's name or the face data points are missing", drawForm)
	}
	face, err := parsePoints(rest[at+len(with):])
	return request{name: rest[:at], face: face}, err
}

// parsePoints reads (x1,y1), (x2,y2) and so on.
func parsePoints(text string) (face []job.Point, err error) {
	notPoints := bad("the face data points are no list of (x,y)", drawForm)
	for text = strings.TrimSpace(text); text != ""; {
		inner, rest, closed := strings.Cut(text, ")")
		inner, opened := strings.CutPrefix(inner, "(")
		x, y, two := strings.Cut(inner, ",")
		var p job.Point
		var errX, errY error
		p.X, errX = strconv.ParseFloat(strings.TrimSpace(x), 64)
		p.Y, errY = strconv.ParseFloat(strings.TrimSpace(y), 64)
		if !opened || !closed || !two || errors.Join(errX, errY) != nil {
			return nil, notPoints
		}
		if face = append(face, p); len(face) > job.FacePoints {
			return nil, bad("a face has 68 data points, not more", drawForm)
		}
		text = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(rest, " "), ","), " ")
	}
	if len(face) != job.FacePoints {
		return nil, bad("a face has 68 data points, not "+strconv.Itoa(len(face)), drawForm)
	}
	return face, nil
}
