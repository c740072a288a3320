package operation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"spillway/job"
	"spillway/native/opencv"
)

// Picture reads the picture file at path as an operation sees its input: 8-bit BGR,
// upright. It is for files that belong to no job. The caller closes it.
// Errors: *job.Error, those of opencv, fs.ErrNotExist.
func Picture(path string) (*opencv.Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	if err := CheckSize(job.Operation{Name: job.DefaultOperation}, name, info.Size()); err != nil {
		return nil, outside(name, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := checkPicture(name, data); err != nil {
		return nil, outside(name, err)
	}
	im, err := opencv.Decode(data)
	if errors.Is(err, opencv.ErrUndecodable) {
		return nil, job.E(job.DataLoss, "decode "+job.Shown(name), plain{"the picture is damaged, or of a kind that OpenCV cannot read", err}, "open it in another program and save it again")
	}
	return im, err
}

// outside is an error of an input, said of a file that is in no input_dir.
func outside(name string, err error) error {
	e := job.AsError(err)
	return job.E(e.Code, "read "+job.Shown(name), e.Err, "convert it, or save it again in another program")
}

// WritePicture writes a picture to the file at path, in the format that the name's
// extension says. Errors: *job.Error with InvalidArgument (no such format, or one that
// holds no picture of that size), those of opencv and of the file.
func WritePicture(path string, im *opencv.Image) error {
	ext := strings.ToLower(filepath.Ext(path))
	if most := maxSide(ext); im.Width() > most || im.Height() > most {
		return job.E(job.InvalidArgument, "write "+job.Shown(filepath.Base(path)),
			fmt.Errorf("%d × %d pixels do not fit a file that ends with %q", im.Width(), im.Height(), ext), "name it as in 12.1.png")
	}
	data, err := opencv.Encode(im, ext)
	if err != nil {
		return err
	}
	defer data.Close()
	return os.WriteFile(path, data.Bytes(), 0o644)
}
