package api

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
	"spillway/server/files"
)

// putBytes is the most that one PUT takes, in bytes; more comes by the tus protocol.
const putBytes = 1 << 30

type (
	foldersIn struct {
		Cursor string `query:"cursor" doc:"next_cursor of the answer before"`
		Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	}
	foldersOut struct {
		Body struct {
			Folders []string `json:"folders" nullable:"false" doc:"by name"`
			Next    string   `json:"next_cursor,omitempty" doc:"left out at the end"`
		}
	}
	folderIn struct {
		Folder string `path:"folder"`
		Cursor string `query:"cursor" doc:"next_cursor of the answer before"`
		Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	}
	folderOut struct {
		Body struct {
			Folder string     `json:"folder"`
			Source string     `json:"source" doc:"what a job takes as its source"`
			Files  []fileJSON `json:"files" nullable:"false" doc:"by directory and name"`
			Next   string     `json:"next_cursor,omitempty" doc:"left out at the end"`
		}
	}
	fileJSON struct {
		Dir  string    `json:"dir" enum:"input_dir,output_dir"`
		Name string    `json:"name" example:"12.1.png"`
		Size int64     `json:"size" doc:"bytes"`
		Time time.Time `json:"time" doc:"of the last change"`
	}
)

// addFiles declares what is done with folders of files, if the server keeps any.
func (a *API) addFiles() {
	if a.cfg.Files == nil {
		return
	}
	tag := []string{"files"}
	register(a, huma.Operation{OperationID: "folders", Method: http.MethodGet, Path: "/files", Tags: tag, Summary: "List the folders"}, by(job.Viewer), a.folders)
	register(a, huma.Operation{OperationID: "folder", Method: http.MethodGet, Path: "/files/{folder}", Tags: tag, Summary: "List the files of a folder"}, by(job.Viewer), a.folder)
	register(a, huma.Operation{
		OperationID: "delete-folder", Method: http.MethodDelete, Path: "/files/{folder}", Tags: tag, Summary: "Remove a folder with all its files",
	}, by(job.Operator), func(_ context.Context, in *struct {
		Folder string `path:"folder"`
	},
	) (*struct{}, error) {
		return nil, a.cfg.Files.DeleteFolder(in.Folder)
	})
	register(a, huma.Operation{
		OperationID: "delete-file", Method: http.MethodDelete, Path: "/files/{folder}/{dir}/{name}", Tags: tag, Summary: "Remove a file",
	}, by(job.Operator), func(_ context.Context, in *struct {
		Folder string `path:"folder"`
		Dir    string `path:"dir" doc:"input_dir or output_dir"`
		Name   string `path:"name"`
	},
	) (*struct{}, error) {
		return nil, a.cfg.Files.Delete(in.Folder, in.Dir, in.Name)
	})
	a.stream(huma.Operation{
		OperationID: "put-file", Method: http.MethodPut, Path: "/files/{folder}/input_dir/{name}", Tags: tag, Summary: "Upload a file of at most 1 GiB",
		Description: "The body is the file. Content-Digest: sha-256=:BASE64: is checked where it is given; overwrite=true replaces a file. Greater files come by the tus protocol, at /files/uploads.",
		Parameters:  params("folder", "name"),
	}, by(job.Operator), a.putFile)
	a.stream(huma.Operation{
		OperationID: "get-file", Method: http.MethodGet, Path: "/files/{folder}/{dir}/{name}", Tags: tag, Summary: "Download a file",
		Description: "With ETag and Range.", Parameters: params("folder", "dir", "name"),
	}, by(job.Viewer), a.getFile)
	a.stream(huma.Operation{
		OperationID: "zip-folder", Method: http.MethodGet, Path: "/files/{folder}/{archive}", Tags: tag, Summary: "Download a directory as one zip",
		Description: "archive is input_dir.zip or output_dir.zip.", Parameters: params("folder", "archive"),
	}, by(job.Viewer), a.zipFolder)
}

// params describes path parameters.
func params(names ...string) (all []*huma.Param) {
	for _, name := range names {
		all = append(all, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	return all
}

func (a *API) folders(_ context.Context, in *foldersIn) (*foldersOut, error) {
	names, more, err := a.cfg.Files.Folders(in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &foldersOut{}
	out.Body.Folders = append([]string{}, names...)
	if more {
		out.Body.Next = names[len(names)-1]
	}
	return out, nil
}

func (a *API) folder(_ context.Context, in *folderIn) (*folderOut, error) {
	list, more, err := a.cfg.Files.Entries(in.Folder, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &folderOut{}
	out.Body.Folder, out.Body.Source, out.Body.Files = in.Folder, a.cfg.Files.Source(in.Folder), []fileJSON{}
	for _, e := range list {
		out.Body.Files = append(out.Body.Files, fileJSON{e.Dir, e.Name, e.Size, e.Time.UTC()})
	}
	if more {
		last := list[len(list)-1]
		out.Body.Next = last.Dir + "/" + last.Name
	}
	return out, nil
}

// putFile takes a file that comes in one body.
func (a *API) putFile(w http.ResponseWriter, r *http.Request) error {
	n := files.New{Folder: r.PathValue("folder"), Name: r.PathValue("name"), Size: r.ContentLength, Overwrite: r.URL.Query().Get("overwrite") == "true"}
	if n.Size < 0 {
		return newProblem(http.StatusLengthRequired, job.InvalidArgument, "the length of the body is not known", "send Content-Length")
	}
	if n.Size > putBytes {
		return newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, fmt.Sprintf("%d bytes are more than one PUT takes, %d", n.Size, putBytes), "upload it by the tus protocol, at /files/uploads")
	}
	if digest := r.Header.Get("Content-Digest"); digest != "" {
		text, ok := strings.CutPrefix(digest, "sha-256=:")
		sum, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(text, ":"))
		if !ok || err != nil || len(sum) != 32 {
			return job.E(job.InvalidArgument, "Content-Digest", errors.New("it is not of the form sha-256=:BASE64: alone"), "send the SHA-256 of the body, or no digest")
		}
		n.Sum = sum
	}
	defer incoming(w, r, putBytes)()
	if err := a.cfg.Files.Put(r.Context(), n, r.Body); err != nil {
		return fileProblem(err)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// fileProblem gives what has no room the status for it, and a body that broke off the
// caller's fault.
func fileProblem(err error) error {
	if errors.Is(err, files.ErrFull) {
		p := problemOf(err)
		p.Status, p.Title = http.StatusInsufficientStorage, http.StatusText(http.StatusInsufficientStorage)
		return p
	}
	if job.CodeOf(err) == job.Internal {
		return job.E(job.InvalidArgument, "", errors.New("the body broke off"), "send it again")
	}
	return err
}

// getFile sends a file, or the part that is asked for.
func (a *API) getFile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	f, _, err := a.cfg.Files.Get(r.PathValue("folder"), r.PathValue("dir"), name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return download(w, r, f, name)
}

// zipFolder sends all files of a directory. They are not compressed: media are already.
func (a *API) zipFolder(w http.ResponseWriter, r *http.Request) error {
	folder := r.PathValue("folder")
	dir, ok := strings.CutSuffix(r.PathValue("archive"), ".zip")
	if !ok {
		return job.E(job.NotFound, "", errors.New("there is no such file"), "ask for input_dir.zip or output_dir.zip")
	}
	names, err := a.cfg.Files.Names(folder, dir)
	if err != nil {
		return err
	}
	attach(w, "application/zip", folder+"-"+dir+".zip")
	out, end := outgoing(w)
	defer end()
	z := zip.NewWriter(out)
	for _, name := range names {
		if err := a.zipFile(z, folder, dir, name); err != nil {
			a.cfg.Log.Warn("zip broke off", "request", requestID(r.Context()), "err", err)
			panic(http.ErrAbortHandler) // so that the caller sees that it is not whole
		}
	}
	if z.Close() != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// zipFile adds one file, unless it has vanished.
func (a *API) zipFile(z *zip.Writer, folder, dir, name string) error {
	f, info, err := a.cfg.Files.Get(folder, dir, name)
	if job.CodeOf(err) == job.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: info.ModTime()})
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return err
}
