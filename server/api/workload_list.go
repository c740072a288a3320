package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"spillway/job"
)

type (
	// statusPage is the answer to GET /status.
	statusPage struct {
		Name   string     `json:"system_name" example:"Spillway"`
		Time   time.Time  `json:"server_time"`
		Active []workload `json:"active_workloads" nullable:"false" doc:"those that have not completed"`
	}
	workloadsOut struct {
		Body struct {
			Workloads []workload `json:"workloads" nullable:"false" doc:"by id"`
			Next      string     `json:"next_cursor,omitempty" doc:"left out at the end"`
		}
	}
	imagesIn struct {
		Workload string `path:"workload_id"`
		PageIn
	}
	imageJSON struct {
		ID     int64  `json:"image_id" doc:"from 0, in upload order"`
		State  string `json:"state" enum:"waiting,working,done,failed"`
		Reason string `json:"reason,omitempty" doc:"why it failed"`
		Code   string `json:"code,omitempty" doc:"the kind of that, as of an error"`
		Hint   string `json:"hint,omitempty" doc:"what to do about it"`
	}
	imagesOut struct {
		Body struct {
			Images []imageJSON `json:"images" nullable:"false" doc:"by id"`
			Next   string      `json:"next_cursor,omitempty" doc:"left out at the end"`
		}
	}
)

// status tells what goes on. It is written as it is read, since many workloads may have
// many images.
func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	var begun bool
	begin := func() {
		if begun {
			return
		}
		begun = true
		w.Header().Set("Content-Type", "application/json")
		now, _ := time.Now().UTC().MarshalText() // it fails after the year 9999
		_, _ = w.Write([]byte(`{"system_name":"Spillway","server_time":"` + string(now) + `","active_workloads":[`))
	}
	comma := ""
	for after := int64(0); ; {
		all, err := a.cfg.Workloads.OpenWorkloads(r.Context(), true, after, listed)
		for _, l := range all {
			var v workload
			if v, err = a.show(r.Context(), l); err != nil {
				break
			}
			after = l.ID
			if v.Status == completed { // a moment ago
				continue
			}
			begin()
			text, _ := json.Marshal(v) // it has nothing that cannot be written
			_, _ = w.Write(append([]byte(comma), text...))
			comma = ","
		}
		if err != nil && begun {
			panic(http.ErrAbortHandler) // the answer has begun: only its end can tell
		}
		if err != nil {
			return err
		}
		if len(all) < listed {
			begin()
			_, _ = w.Write([]byte("]}\n"))
			return nil
		}
	}
}

// pageIDs bounds the ids of images in a page of workloads: behind as many, it ends.
const pageIDs = 200_000

func (a *API) listWorkloads(ctx context.Context, in *PageIn) (*workloadsOut, error) {
	const list = "workloads"
	after, err := a.afterID(*in, list)
	if err != nil {
		return nil, err
	}
	all, err := a.cfg.Workloads.Workloads(ctx, max(after, 0), in.Limit+1)
	if err != nil {
		return nil, err
	}
	var shown []workload
	limit := in.Limit
	for n, ids := 0, 0; n < len(all) && n <= limit; n++ {
		v, err := a.show(ctx, all[n])
		if err != nil {
			return nil, err
		}
		shown = append(shown, v)
		if ids += len(v.Filtered); ids >= pageIDs {
			limit = min(limit, n+1)
		}
	}
	out := &workloadsOut{}
	out.Body.Workloads, out.Body.Next = pageOf(shown, limit, list, func(v workload) string { return strconv.FormatInt(v.ID, 10) })
	if out.Body.Workloads == nil {
		out.Body.Workloads = []workload{}
	}
	return out, nil
}

// afterID is the id behind which a page begins; -1 for the first page.
// Errors: InvalidArgument.
func (a *API) afterID(in PageIn, list string) (int64, error) {
	place, err := in.after(list)
	if err != nil || place == "" {
		return -1, err
	}
	return idOf(place, 0, badCursor())
}

func (a *API) listImages(ctx context.Context, in *imagesIn) (*imagesOut, error) {
	id, err := number("workload_id", in.Workload)
	if err != nil {
		return nil, err
	}
	list := "images-" + in.Workload
	after, err := a.afterID(in.PageIn, list)
	if err != nil {
		return nil, err
	}
	if _, err := a.cfg.Workloads.Workload(ctx, id); err != nil {
		return nil, err
	}
	all, err := a.cfg.Workloads.Images(ctx, id, "", after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	page, next := pageOf(all, in.Limit, list, func(i job.Image) string { return strconv.FormatInt(i.ID, 10) })
	out := &imagesOut{}
	out.Body.Images, out.Body.Next = []imageJSON{}, next
	for _, i := range page {
		v := imageJSON{ID: i.ID, State: string(i.State)}
		if i.State == job.ImageArriving {
			v.State = string(job.ImageWaiting)
		}
		if i.State == job.ImageFailed && i.Err != nil {
			v.Reason, v.Code, v.Hint = i.Err.Error(), string(i.Err.Code), i.Err.Hint
		}
		out.Body.Images = append(out.Body.Images, v)
	}
	return out, nil
}
