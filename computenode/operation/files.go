package operation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"spillway/confine"
	"spillway/job"
	"spillway/native/opencv"

	"golang.org/x/sys/unix"
)

// MaxInputBytes bounds the size of an input file.
const MaxInputBytes = 512 << 20

// Files is what an operation sees of the disk: its input, and the outputs that
// it announced. It belongs to one run.
type Files struct {
	trouble trouble
	request Request
	models  *models
	allowed []string
	buffer  *[]byte // takes the input

	folder  *confine.Folder // nil until needed
	image   *opencv.Image   // nil until read
	written []Output
	inBytes int64
	opened  []*os.File // by Media and Create
}

// Name is the input's file name.
func (f *Files) Name() string { return job.FileOf(f.request.Name) }

// Image reads the input as a picture: 8-bit BGR, upright. It is valid until the
// run ends, may be changed, and must not be closed.
// Errors: *job.Error, those of opencv.
func (f *Files) Image(ctx context.Context) (*opencv.Image, error) {
	if err := f.checkExtension(); err != nil {
		return nil, err
	}
	data, err := f.Input()
	if err != nil {
		return nil, err
	}
	if err := checkPicture(f.Name(), data); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.image, err = opencv.Decode(data)
	if errors.Is(err, opencv.ErrUndecodable) {
		return nil, job.E(job.DataLoss, "decode "+shown(job.InputDir, f.Name()),
			plain{"the picture is damaged, or of a kind that OpenCV cannot read", err}, "open it in another program and save it again")
	}
	return f.image, err
}

// Input reads the input's bytes. They are valid until the run ends.
// Errors: *job.Error.
func (f *Files) Input() ([]byte, error) {
	file, info, err := f.openInput(f.checkInput)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if int64(cap(*f.buffer)) < info.Size() {
		*f.buffer = make([]byte, info.Size())
	}
	data := (*f.buffer)[:info.Size()]
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, f.trouble.read(f.Name(), err)
	}
	f.inBytes = int64(n)
	return data[:n], nil
}

// openInput opens the input, if check finds nothing wrong with it. The caller closes it.
// Errors: *job.Error.
func (f *Files) openInput(check func(fs.FileInfo) error) (*os.File, fs.FileInfo, error) {
	folder, err := f.open()
	if err != nil {
		return nil, nil, err
	}
	name := path.Join(job.InputDir, f.Name())
	info, err := folder.Stat(name) // before opening: to open a pipe would block
	if err != nil {
		return nil, nil, f.missing(err)
	}
	if err := check(info); err != nil {
		return nil, nil, err
	}
	file, err := folder.Open(name)
	if err != nil {
		return nil, nil, f.missing(err)
	}
	return file, info, nil
}

// Write writes one of the announced outputs, under its temporary name.
// Errors: *job.Error.
func (f *Files) Write(name string, data []byte) error {
	file, err := f.begin(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return f.trouble.write(name, err)
	}
	return nil
}

// begin makes one of the announced outputs, under its temporary name, and notes it. The
// caller closes it. Errors: *job.Error.
func (f *Files) begin(name string) (*os.File, error) {
	if !slices.Contains(f.allowed, name) {
		return nil, fmt.Errorf("output %q was not announced", name)
	}
	folder, err := f.open()
	if err != nil {
		return nil, err
	}
	out := Output{Temp: TempName(name, f.request.Token), Name: name}
	file, err := create(folder, path.Join(job.OutputDir, out.Temp))
	if err != nil {
		return nil, f.trouble.write(name, err)
	}
	f.written = append(f.written, out)
	return file, nil
}

// WriteImage encodes im as the extension of name says and writes it.
// Errors: *job.Error, those of opencv.
func (f *Files) WriteImage(name string, im *opencv.Image) error {
	ext := strings.ToLower(filepath.Ext(name))
	if most := maxSide(ext); im.Width() > most || im.Height() > most {
		return job.E(job.InvalidArgument, "write "+shown(job.OutputDir, name),
			fmt.Errorf("%d × %d pixels do not fit a %s file", im.Width(), im.Height(), ext),
			fmt.Sprintf("such a file holds %d pixels a side; use .png or .tif, or a smaller size", most))
	}
	data, err := opencv.Encode(im, ext)
	if err != nil {
		return err
	}
	defer data.Close()
	return f.Write(name, data.Bytes())
}

// open opens the folder once.
func (f *Files) open() (*confine.Folder, error) {
	if f.folder == nil {
		folder, err := f.trouble.roots.Open(f.request.Base)
		if err != nil {
			return nil, f.trouble.open(f.request.Base, err)
		}
		f.folder = folder
	}
	return f.folder, nil
}

// create makes output_dir where it is missing, and replaces what a lost run of
// the same attempt left.
func create(folder *confine.Folder, name string) (*os.File, error) {
	file, err := folder.Create(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := folder.MkdirAll(job.OutputDir); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrExist):
		if err := folder.Remove(name); err != nil {
			return nil, err
		}
	default:
		return file, err
	}
	return folder.Create(name)
}

// checkInput refuses what cannot be a picture before it is opened.
func (f *Files) checkInput(info fs.FileInfo) error {
	if err := f.checkMedia(info); err != nil {
		return err
	}
	return CheckSize(f.request.Operation, f.Name(), info.Size())
}

// checkMedia refuses what is no file that holds anything.
func (f *Files) checkMedia(info fs.FileInfo) error {
	op := "read " + shown(job.InputDir, f.Name())
	switch {
	case info.IsDir():
		return job.E(job.InvalidArgument, op, errors.New("it is a directory"), "only the files in input_dir itself are processed; move what it holds there")
	case !info.Mode().IsRegular():
		return job.E(job.InvalidArgument, op, errors.New("it is not a regular file"), "remove it from input_dir")
	case info.Size() == 0:
		return job.E(job.InvalidArgument, op, errors.New("the file is empty"), "copy it again, or remove it")
	}
	return nil
}

// missing tells apart why a file cannot be opened: no input_dir, a link that
// leads nowhere, or no such file.
func (f *Files) missing(err error) *job.Error {
	if !errors.Is(err, fs.ErrNotExist) {
		return f.trouble.read(f.Name(), err)
	}
	op := "read " + shown(job.InputDir, f.Name())
	dir, dirErr := f.folder.Open(job.InputDir)
	if dirErr != nil {
		return job.E(job.NotFound, op, plain{"the folder has no input_dir", err}, "put the pictures into "+shown(f.request.Base, job.InputDir))
	}
	defer dir.Close()
	var stat unix.Stat_t
	if unix.Fstatat(int(dir.Fd()), f.Name(), &stat, unix.AT_SYMLINK_NOFOLLOW) == nil && stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		return job.E(job.NotFound, op, plain{"it is a link that leads nowhere", err}, "mend the link, or remove it")
	}
	return f.trouble.read(f.Name(), err)
}

// removeAll takes back what was written.
func (f *Files) removeAll() {
	for _, out := range f.written {
		_ = f.folder.Remove(path.Join(job.OutputDir, out.Temp))
	}
}

func (f *Files) close() {
	f.image.Close()
	for _, file := range f.opened {
		file.Close()
	}
	if f.folder != nil {
		f.folder.Close()
	}
}
