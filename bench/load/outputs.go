package load

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"spillway/job"
)

// Outputs are all files that lie in the output_dir of a job's folder, by name, with the
// SHA-256 of what they hold; none where there is no such folder. Errors: those of the
// file system.
func Outputs(base string) (map[string][sha256.Size]byte, error) {
	dir := filepath.Join(base, job.OutputDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := map[string][sha256.Size]byte{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all[e.Name()] = sha256.Sum256(data)
	}
	return all, nil
}

// ClearOutputs removes the output_dir of a job's folder. Errors: those of the file
// system.
func ClearOutputs(base string) error { return os.RemoveAll(filepath.Join(base, job.OutputDir)) }
