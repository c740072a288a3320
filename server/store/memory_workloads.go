package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"spillway/job"
)

// workloads are those of a [Memory], with their images.
type workloads struct {
	last   int64
	all    map[int64]job.Workload
	images map[int64][]job.Image
}

// AddWorkload is as that of [SQL].
func (m *Memory) AddWorkload(ctx context.Context, w job.Workload) (job.Workload, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return w, err
	}
	defer leave()
	m.workloads.last++
	w.ID, w.Images = m.workloads.last, 0
	taken := map[string]bool{}
	for _, o := range m.workloads.all {
		taken[o.Dir] = true
	}
	for w.Dir = w.Name; taken[w.Dir]; {
		w.Dir = fmt.Sprintf("%s.%d", w.Dir, w.ID)
	}
	m.workloads.all[w.ID] = w
	return w, nil
}

// Workload is as that of [SQL].
func (m *Memory) Workload(ctx context.Context, id int64) (job.Workload, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.Workload{}, err
	}
	defer leave()
	w, ok := m.workloads.all[id]
	if !ok {
		return w, job.NoWorkload(id)
	}
	return w, nil
}

// Workloads is as that of [SQL].
func (m *Memory) Workloads(ctx context.Context, after int64, most int) (all []job.Workload, err error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, id := range slices.Sorted(maps.Keys(m.workloads.all)) {
		if id > after && len(all) < most {
			all = append(all, m.workloads.all[id])
		}
	}
	return all, nil
}

// OpenWorkloads is as that of [SQL].
func (m *Memory) OpenWorkloads(ctx context.Context, idle bool, after int64, most int) (all []job.Workload, err error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, id := range slices.Sorted(maps.Keys(m.workloads.all)) {
		images := m.workloads.images[id]
		if id > after && len(all) < most && (idle && len(images) == 0 || slices.ContainsFunc(images, open)) {
			all = append(all, m.workloads.all[id])
		}
	}
	return all, nil
}

// open tells that an image is neither done nor failed.
func open(i job.Image) bool { return i.State != job.ImageDone && i.State != job.ImageFailed }

// WorkloadProgress is as that of [SQL].
func (m *Memory) WorkloadProgress(ctx context.Context, id int64) (p job.Progress, err error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return p, err
	}
	defer leave()
	for _, i := range m.workloads.images[id] {
		switch {
		case i.State == job.ImageDone:
			p.Done = append(p.Done, i.ID)
		case open(i):
			p.Open++
		}
		if i.State == job.ImageWorking {
			p.Working++
		}
	}
	return p, nil
}

// CountWorkloads is as that of [SQL].
func (m *Memory) CountWorkloads(ctx context.Context) (int64, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return int64(len(m.workloads.all)), nil
}

// RenameWorkload is as that of [SQL].
func (m *Memory) RenameWorkload(ctx context.Context, id int64, name string) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	w, ok := m.workloads.all[id]
	if !ok {
		return job.NoWorkload(id)
	}
	w.Name = name
	m.workloads.all[id] = w
	return nil
}

// RemoveWorkload is as that of [SQL].
func (m *Memory) RemoveWorkload(ctx context.Context, id int64) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := m.workloads.all[id]; !ok {
		return job.NoWorkload(id)
	}
	delete(m.workloads.all, id)
	delete(m.workloads.images, id)
	return nil
}

// AddImages is as that of [SQL].
func (m *Memory) AddImages(ctx context.Context, workload int64, images ...job.Image) ([]job.Image, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	w, ok := m.workloads.all[workload]
	if !ok {
		return nil, job.NoWorkload(workload)
	}
	added := slices.Clone(images)
	for n := range added {
		i := &added[n]
		i.Workload, i.ID = workload, w.Images
		i.Original = strconv.FormatInt(i.ID, 10) + i.Original
		w.Images++
	}
	m.workloads.all[workload] = w
	m.workloads.images[workload] = append(m.workloads.images[workload], added...)
	return added, nil
}

// SetImages is as that of [SQL].
func (m *Memory) SetImages(ctx context.Context, images ...job.Image) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, i := range images {
		if i.ID < 0 || i.ID >= int64(len(m.workloads.images[i.Workload])) {
			return job.NoImage(i.Workload, i.ID)
		}
	}
	for _, i := range images {
		kept := &m.workloads.images[i.Workload][i.ID]
		kept.State, kept.Result, kept.Job, kept.Err = i.State, i.Result, i.Job, nil
		if code, cause, hint := troubleOf(i); code != "" {
			kept.Err = job.E(job.Code(code), "", errors.New(cause), hint)
		}
	}
	return nil
}

// Image is as that of [SQL].
func (m *Memory) Image(ctx context.Context, workload, id int64) (job.Image, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.Image{}, err
	}
	defer leave()
	all := m.workloads.images[workload]
	if id < 0 || id >= int64(len(all)) {
		return job.Image{}, job.NoImage(workload, id)
	}
	return all[id], nil
}

// Images is as that of [SQL].
func (m *Memory) Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) (all []job.Image, err error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, i := range m.workloads.images[workload] {
		if i.ID > after && (state == "" || i.State == state) && len(all) < most {
			all = append(all, i)
		}
	}
	return all, nil
}
