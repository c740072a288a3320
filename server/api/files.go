package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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
		PageIn
	}
	foldersOut struct {
		Body struct {
			Folders []string `json:"folders" nullable:"false" doc:"by name"`
			Next    string   `json:"next_cursor,omitempty" doc:"left out at the end"`
		}
	}
	folderIn struct {
		Folder string `path:"folder"`
		PageIn
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
		Description: "Not while a job that has not ended has it as its source: 409. Uploads to it that are not whole go on, and make it anew.",
		Errors:      []int{http.StatusConflict},
	}, by(job.Operator), a.deleteFolder)
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
		Parameters:  append(params("folder", "name"), heading("Content-Digest", false, "sha-256=:BASE64:"), overwriteParam()),
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: octets()}}},
		Responses: a.answers(headOnly(http.StatusCreated, "Kept"), http.StatusBadRequest, http.StatusRequestTimeout, http.StatusConflict,
			http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusInsufficientStorage),
	}, by(job.Operator), a.putFile)
	a.stream(huma.Operation{
		OperationID: "get-file", Method: http.MethodGet, Path: "/files/{folder}/{dir}/{name}", Tags: tag, Summary: "Download a file",
		Description: "With ETag and Range; HEAD tells what GET would.", Parameters: params("folder", "dir", "name"),
		Responses: a.answers(fileAnswer("image/*", "video/*", "audio/*", "application/octet-stream"), http.StatusBadRequest, http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable),
	}, by(job.Viewer), a.getFile)
	a.stream(huma.Operation{
		OperationID: "zip-folder", Method: http.MethodGet, Path: "/files/{folder}/{archive}", Tags: tag, Summary: "Download a directory as one zip",
		Description: "archive is input_dir.zip or output_dir.zip. It is made as it goes: there is no length, no ETag and no Range. One that cannot be made whole breaks off.",
		Parameters:  params("folder", "archive"),
		Responses:   a.answers(fileAnswer("application/zip"), http.StatusBadRequest, http.StatusNotFound),
	}, by(job.Viewer), a.zipFolder)
}

// fileAnswer describes an answer that is a file.
func fileAnswer(kinds ...string) described {
	content := map[string]*huma.MediaType{}
	for _, kind := range kinds {
		content[kind] = &huma.MediaType{Schema: octets()}
	}
	return described{http.StatusOK, &huma.Response{Description: "The file", Content: content}}
}

// overwriteParam describes the query that has a file replaced.
func overwriteParam() *huma.Param {
	return &huma.Param{Name: "overwrite", In: "query", Description: "true: replace a file of that name", Schema: &huma.Schema{Type: huma.TypeBoolean}}
}

// deleteFolder removes a folder, unless a job works on it.
func (a *API) deleteFolder(ctx context.Context, in *struct {
	Folder string `path:"folder"`
},
) (*struct{}, error) {
	if err := files.CheckFolder(in.Folder); err != nil {
		return nil, err
	}
	if err := a.unused(ctx, in.Folder); err != nil {
		return nil, err
	}
	return nil, a.cfg.Files.DeleteFolder(in.Folder)
}

// unused reports that a job works on a folder, or will. Errors: Unavailable, and a
// conflict.
func (a *API) unused(ctx context.Context, folder string) error {
	if a.cfg.Service == nil {
		return nil
	}
	f := job.Filter{States: []job.State{job.Queued, job.Running}, Limit: 1000}
	for {
		page, err := a.cfg.Service.Jobs(ctx, f)
		if job.CodeOf(err) == job.NotFound && err != nil && f.After != "" {
			return nil // what it stood at is forgotten, and older ones with it
		}
		if err != nil {
			return err
		}
		for _, j := range page {
			if a.cfg.Files.Uses(j.Spec.Source, folder) {
				return newProblem(http.StatusConflict, job.FailedPrecondition, "job "+string(j.ID)+" works on the folder", "wait for the job's end, or cancel it")
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		f.After = page[len(page)-1].ID
	}
}

// params describes path parameters.
func params(names ...string) (all []*huma.Param) {
	for _, name := range names {
		all = append(all, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	return all
}

func (a *API) folders(_ context.Context, in *foldersIn) (*foldersOut, error) {
	const list = "folders"
	after, err := in.after(list)
	if err != nil {
		return nil, err
	}
	names, err := a.cfg.Files.Folders(after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	page, next := pageOf(names, in.Limit, list, func(name string) string { return name })
	out := &foldersOut{}
	out.Body.Folders, out.Body.Next = append([]string{}, page...), next
	return out, nil
}

func (a *API) folder(_ context.Context, in *folderIn) (*folderOut, error) {
	const list = "files"
	after, err := in.after(list)
	if err != nil {
		return nil, err
	}
	all, err := a.cfg.Files.Entries(in.Folder, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	page, next := pageOf(all, in.Limit, list, func(e files.Entry) string { return e.Dir + "/" + e.Name })
	out := &folderOut{}
	out.Body.Folder, out.Body.Source, out.Body.Next = in.Folder, a.cfg.Files.Source(in.Folder), next
	out.Body.Files = []fileJSON{}
	for _, e := range page {
		out.Body.Files = append(out.Body.Files, fileJSON{e.Dir, e.Name, e.Size, e.Time.UTC()})
	}
	return out, nil
}

// putFile takes a file that comes in one body.
func (a *API) putFile(w http.ResponseWriter, r *http.Request) error {
	n := files.New{Folder: r.PathValue("folder"), Name: r.PathValue("name"), Size: r.ContentLength}
	switch r.URL.Query().Get("overwrite") {
	case "", "false":
	case "true":
		n.Overwrite = true
	default:
		return job.E(job.InvalidArgument, "overwrite", errors.New("it is neither true nor false"), "say true, or leave it out")
	}
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
	r.Body = http.MaxBytesReader(w, r.Body, putBytes)
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
