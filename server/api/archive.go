package api

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"spillway/job"
)

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
	if r.Method == http.MethodHead {
		return nil // else all would be read for nobody
	}
	z := zip.NewWriter(w)
	for _, name := range names {
		if err := a.zipFile(z, folder, dir, name); err != nil {
			if r.Context().Err() == nil {
				a.cfg.Log.Warn("zip broke off", "request", requestID(r.Context()), "err", err)
			}
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
	return pack(z, name, f, info)
}

// pack adds a file to a zip as it is: media are compressed already.
func pack(z *zip.Writer, name string, f io.Reader, info fs.FileInfo) error {
	to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: info.ModTime()})
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return err
}
