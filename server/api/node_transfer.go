package api

import (
	"bytes"
	"crypto/sha256"
	"io"
	"mime"
	"net/http"
	"strconv"

	"spillway/job"
	"spillway/view"
)

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
