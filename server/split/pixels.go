package split

import (
	"image"
	_ "image/jpeg" // the formats whose size is read
	_ "image/png"
	"io"
	"path"

	_ "golang.org/x/image/bmp"  // and those of the rest
	_ "golang.org/x/image/tiff" // of what nodes
	_ "golang.org/x/image/webp" // can read

	"spillway/job"
)

// headerRoom bounds how much of a picture is read to learn its size.
const headerRoom = 64 << 10

// perByte is how many pixels a byte of a picture tells of whose header cannot be read,
// as a guess.
const perByte = 4

// Pixels is how large the input called name is: width × height as its header says, or
// a guess by the length of the file; 0: unknown.
func (c *Carrier) Pixels(name string) int64 {
	if p, ok := job.ParsePart(name); ok {
		return c.Pixels(p.File) / int64(p.Of)
	}
	input := path.Join(job.InputDir, name)
	info, err := c.folder.Stat(input) // before opening: to open a pipe might block
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return 0
	}
	file, err := c.folder.Open(input)
	if err != nil {
		return 0
	}
	defer file.Close()
	header, _, err := image.DecodeConfig(io.LimitReader(file, headerRoom))
	if err != nil || header.Width <= 0 || header.Height <= 0 {
		return perByte * info.Size()
	}
	return int64(header.Width) * int64(header.Height)
}
