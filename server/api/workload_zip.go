package api

import (
	"archive/zip"
	"context"
	"net/http"
	"strconv"

	"spillway/job"
)

// zipWorkload sends all filtered images, as they are read.
func (a *API) zipWorkload(w http.ResponseWriter, r *http.Request) error {
	id, err := workloadID(r)
	if err != nil {
		return err
	}
	if _, err := a.cfg.Workloads.Workload(r.Context(), id); err != nil {
		return err
	}
	attach(w, "application/zip", "workload-"+strconv.FormatInt(id, 10)+".zip")
	if r.Method == http.MethodHead {
		return nil // else all would be read for nobody
	}
	z := zip.NewWriter(w)
	for after := int64(-1); ; {
		images, err := a.cfg.Workloads.Images(r.Context(), id, job.ImageDone, after, listed)
		for _, i := range images {
			after = i.ID
			if err = a.packImage(r.Context(), z, i); err != nil {
				break
			}
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the answer has begun: only its end can tell
		}
		if len(images) == 0 {
			break
		}
	}
	_ = z.Close() // the caller has left: there is nobody to tell
	return nil
}

// packImage adds a filtered image to a zip.
func (a *API) packImage(ctx context.Context, z *zip.Writer, i job.Image) error {
	f, _, err := a.cfg.Workloads.Open(ctx, i.Workload, i.ID, true)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return pack(z, i.Result, f, info)
}
