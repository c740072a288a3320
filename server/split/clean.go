package split

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"spillway/job"
)

// Clean removes the files of output_dir whose names begin with prefix, and counts
// them. Where there is no output_dir, there are none. Errors: Unavailable, or
// ctx's own.
func (s *Source) Clean(ctx context.Context, prefix string) (removed int, err error) {
	where := filepath.Join(s.folder.Path(), job.OutputDir)
	dir, err := s.folder.Open(job.OutputDir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, job.E(job.Unavailable, "clean "+where, reason(err), "remove the files whose names start with "+prefix)
	}
	defer dir.Close()
	for ctx.Err() == nil {
		names, listed := dir.Readdirnames(batch)
		for _, name := range names {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			err := s.folder.Remove(path.Join(job.OutputDir, name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return removed, job.E(job.Unavailable, "clean "+where, reason(err), "remove the files whose names start with "+prefix)
			}
			removed++
		}
		if errors.Is(listed, io.EOF) {
			return removed, nil
		}
		if listed != nil {
			return removed, job.E(job.Unavailable, "clean "+where, reason(listed), "check the disk")
		}
	}
	return removed, context.Cause(ctx)
}
