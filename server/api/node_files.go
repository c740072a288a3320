package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
	"spillway/view"
)

// NodeSpace is a node's own files, over a connection that whoever asked for it closes.
type NodeSpace interface {
	job.Files
	job.Media
	io.Closer
}

type (
	// NodeFileIn is what every call about a file of a node takes. It is exported since the
	// library fills in no other embedded struct.
	NodeFileIn struct {
		NodeIn
		File string `path:"file" doc:"the file's name"`
	}
	nodeFilesOut struct {
		Body struct {
			Files []view.File `json:"files" nullable:"false" doc:"by name"`
		}
	}
	activityOut struct {
		Body struct {
			Activity []view.Activity `json:"activity" nullable:"false" doc:"the oldest first"`
		}
	}
	videoOut struct {
		Body view.Video
	}
	faceOut struct {
		Body view.Face
	}
	madeOut struct {
		Body struct {
			Name string `json:"name" doc:"the file that was made" example:"mesh-clip.51.png"`
		}
	}
	extractIn struct {
		NodeFileIn
		Body struct {
			Rate     string `json:"rate,omitempty" doc:"pictures a second, as in 25, 29.97 or 30000/1001; left out: every frame" example:"5"`
			From     span   `json:"from,omitzero" doc:"where to begin: text as in 10s, or a number of seconds"`
			Duration span   `json:"duration,omitzero" doc:"how much: text as in 2s, or a number of seconds; left out: to the end"`
		}
	}
	extractOut struct {
		Body struct {
			Name  string   `json:"name" doc:"the video"`
			Files []string `json:"files" nullable:"false" doc:"its pictures, in order"`
		}
	}
	createIn struct {
		NodeIn
		Body struct {
			Files    []string `json:"files" minItems:"1" maxItems:"100000" nullable:"false" doc:"the pictures, in order"`
			Output   string   `json:"output,omitempty" doc:"the video's name; left out: made of the first picture's" example:"clip.mp4"`
			Rate     string   `json:"rate,omitempty" doc:"pictures a second; left out: 25" example:"25"`
			Duration span     `json:"duration,omitzero" doc:"it ends then: text as in 10s, or a number of seconds; left out: with the last picture"`
			Audio    string   `json:"audio,omitempty" doc:"a file whose sound goes with it"`
		}
	}
)

// addNodeFiles declares what is done with the own files of nodes, if they are reached.
func (a *API) addNodeFiles() {
	if a.cfg.Nodes == nil || a.cfg.Reach == nil {
		return
	}
	tag := []string{"node files"}
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/nodes/{name}/" + path, Tags: tag, Summary: summary, DefaultStatus: http.StatusOK}
	}
	gone := func(o huma.Operation) huma.Operation {
		o.DefaultStatus = http.StatusNoContent
		return o
	}
	register(a, op("node-activity", http.MethodGet, "activity", "What a node works on now"), by(job.Viewer), a.nodeActivity)
	register(a, op("node-files", http.MethodGet, "files", "A node's own files"), by(job.Viewer), a.nodeFiles)
	register(a, gone(op("delete-node-files", http.MethodDelete, "files", "Remove all of a node's own files")), by(job.Operator), a.deleteNodeFiles)
	register(a, gone(op("delete-node-file", http.MethodDelete, "files/{file}", "Remove a file of a node")), by(job.Operator), a.deleteNodeFile)
	register(a, op("node-video", http.MethodGet, "files/{file}/metadata", "A video's frame rate, duration, size"), by(job.Viewer), a.nodeVideo)
	register(a, op("node-face", http.MethodGet, "files/{file}/face", "The 68 points of the first face of a picture"), by(job.Viewer), a.nodeFace)
	register(a, op("draw-mesh", http.MethodPost, "files/{file}/mesh", "Draw the mesh of the first face into a copy of a picture"), by(job.Operator), a.drawMesh)
	register(a, op("extract-frames", http.MethodPost, "files/{file}/extract", "Make pictures of a video, beside it"), by(job.Operator), a.extractFrames)
	register(a, op("create-video", http.MethodPost, "videos", "Make a video of pictures, beside them"), by(job.Operator), a.createVideo)

	get := op("get-node-file", http.MethodGet, "files/{file}", "Download a file of a node")
	get.Parameters = params("name", "file")
	get.Responses = a.answers(fileAnswer("application/octet-stream"), http.StatusNotFound)
	a.stream(get, by(job.Viewer), a.getNodeFile)
	put := op("put-node-file", http.MethodPut, "files/{file}", "Send a file to a node")
	put.Description = "The body is the file, with its Content-Length. It replaces what has the name once it is whole. A node's files live as long as the node."
	put.Parameters = params("name", "file")
	put.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: octets()}}}
	put.Responses = a.answers(answer[view.File](a, http.StatusOK, "The node has it"), http.StatusBadRequest, http.StatusLengthRequired)
	a.stream(put, by(job.Operator), a.putNodeFile)
}

// withNode does something with the own files of the node of that name.
// Errors: NotFound, Unavailable, those of do.
func (a *API) withNode(ctx context.Context, name string, do func(NodeSpace) error) (err error) {
	n, err := a.findNode(ctx, name)
	if err != nil {
		return err
	}
	if n.State == job.Inaccessible {
		return unanswering(n.ID)
	}
	space := a.cfg.Reach(n)
	defer func() { err = errors.Join(err, space.Close()) }()
	return do(space)
}

// unanswering is the error for a node that does not answer.
func unanswering(id job.NodeID) error {
	return job.E(job.Unavailable, "node "+string(id), errors.New("it does not answer"), "GET /nodes/"+string(id)+" tells why")
}

func (a *API) nodeActivity(ctx context.Context, in *NodeIn) (*activityOut, error) {
	out := &activityOut{}
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) error {
		all, err := s.View(ctx)
		out.Body.Activity = view.Each(all, view.OfActivity)
		return err
	})
}

func (a *API) nodeFiles(ctx context.Context, in *NodeIn) (*nodeFilesOut, error) {
	out := &nodeFilesOut{}
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) error {
		all, err := s.List(ctx)
		out.Body.Files = view.Each(all, view.OfFile)
		return err
	})
}

func (a *API) deleteNodeFiles(ctx context.Context, in *NodeIn) (*struct{}, error) {
	return nil, a.withNode(ctx, in.Name, func(s NodeSpace) error { return s.DeleteAll(ctx) })
}

func (a *API) deleteNodeFile(ctx context.Context, in *NodeFileIn) (*struct{}, error) {
	return nil, a.withNode(ctx, in.Name, func(s NodeSpace) error { return s.Delete(ctx, in.File) })
}

func (a *API) nodeVideo(ctx context.Context, in *NodeFileIn) (*videoOut, error) {
	out := &videoOut{}
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) error {
		v, err := s.Metadata(ctx, in.File)
		out.Body = view.OfVideo(in.File, v)
		return err
	})
}

// firstFace is the first face of a picture. Errors: NotFound where there is none.
func firstFace(ctx context.Context, s NodeSpace, name string) ([]job.Point, error) {
	face, err := s.DetectFace(ctx, name)
	if err == nil && len(face) == 0 {
		err = job.E(job.NotFound, "detect face", fmt.Errorf("no face detected in %w", errors.New(job.Shown(name))), "use a picture of a face from in front, of 80 pixels or more")
	}
	return face, err
}

func (a *API) nodeFace(ctx context.Context, in *NodeFileIn) (*faceOut, error) {
	out := &faceOut{}
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) error {
		face, err := firstFace(ctx, s, in.File)
		out.Body = view.OfFace(in.File, face)
		return err
	})
}

func (a *API) drawMesh(ctx context.Context, in *NodeFileIn) (*madeOut, error) {
	out := &madeOut{}
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) error {
		face, err := firstFace(ctx, s, in.File)
		if err == nil {
			out.Body.Name, err = s.DrawMesh(ctx, in.File, face)
		}
		return err
	})
}

// rateOf reads a rate; "": none. Errors: InvalidArgument.
func rateOf(text string) (job.Rate, error) {
	if text == "" {
		return job.Rate{}, nil
	}
	rate, err := job.ParseRate(text)
	if err != nil {
		return rate, job.E(job.InvalidArgument, "rate", err, "use pictures a second, as in 25, 29.97 or 30000/1001")
	}
	return rate, nil
}

func (a *API) extractFrames(ctx context.Context, in *extractIn) (*extractOut, error) {
	rate, wrong := rateOf(in.Body.Rate)
	from, early := in.Body.From.read("from")
	duration, endless := in.Body.Duration.read("duration")
	for _, err := range []error{wrong, early, endless} {
		if err != nil {
			return nil, err
		}
	}
	out := &extractOut{}
	out.Body.Name = in.File
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) error {
		names, err := s.Extract(ctx, job.Extraction{Name: in.File, Rate: rate, From: from, Duration: duration})
		out.Body.Files = append([]string{}, names...)
		return err
	})
}

func (a *API) createVideo(ctx context.Context, in *createIn) (*madeOut, error) {
	rate, err := rateOf(in.Body.Rate)
	if err != nil {
		return nil, err
	}
	duration, err := in.Body.Duration.read("duration")
	if err != nil {
		return nil, err
	}
	out := &madeOut{}
	return out, a.withNode(ctx, in.Name, func(s NodeSpace) (err error) {
		out.Body.Name, err = s.Create(ctx, job.Creation{Output: in.Body.Output, Names: in.Body.Files, Rate: rate, Duration: duration, Audio: in.Body.Audio})
		return err
	})
}

// getNodeFile passes a file on, piece by piece. Where it breaks off, or comes to another
// sum than the node told, so does the answer.
func (a *API) getNodeFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	return a.withNode(r.Context(), r.PathValue("name"), func(s NodeSpace) error {
		piece, err := s.Get(r.Context(), name, 0)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		w.Header().Set("Content-Length", strconv.FormatInt(piece.Size, 10))
		if r.Method == http.MethodHead {
			return nil // else the node would send all of it for nobody
		}
		sum, size := sha256.New(), piece.Size
		for {
			sum.Write(piece.Data)
			if piece.Size != size || piece.Last() && !bytes.Equal(piece.Sum, sum.Sum(nil)) {
				panic(http.ErrAbortHandler) // the answer has begun: only its end can tell
			}
			if !passed(w, piece.Data) || piece.Last() {
				return nil
			}
			if piece, err = s.Get(r.Context(), name, piece.Offset+int64(len(piece.Data))); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	})
}

// passed writes b; false: the caller has left, and there is nobody to tell.
func passed(w io.Writer, b []byte) bool {
	_, err := w.Write(b)
	return err == nil
}

// putNodeFile passes a file on, piece by piece.
func (a *API) putNodeFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	if r.ContentLength < 0 {
		return newProblem(http.StatusLengthRequired, job.InvalidArgument, "the file's length is not told", "send its Content-Length")
	}
	return a.withNode(r.Context(), r.PathValue("name"), func(s NodeSpace) error {
		whole := job.Piece{Name: name, Size: r.ContentLength}
		sum, buffer := sha256.New(), make([]byte, min(job.ChunkBytes, whole.Size))
		for piece := whole; ; piece.Offset += int64(len(piece.Data)) {
			piece.Data = buffer[:min(int64(len(buffer)), whole.Size-piece.Offset)]
			if _, err := io.ReadFull(r.Body, piece.Data); err != nil {
				return badBody(w, err, "the file", "the file is longer than its Content-Length")
			}
			sum.Write(piece.Data)
			if piece.Last() {
				piece.Sum = sum.Sum(nil)
			}
			if err := s.Put(r.Context(), piece); err != nil {
				return err
			}
			if piece.Last() {
				return write(w, view.File{Name: name, Size: whole.Size})
			}
		}
	})
}
