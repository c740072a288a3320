package operation

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math"

	"spillway/face"
	"spillway/job"
	"spillway/native/opencv"
)

// faceIdentity describes every face of a picture by 128 numbers, names those that are
// near to a known one, and writes that as a [face.Picture]. Once all pictures of a job are
// done the server groups the faces by person.
type faceIdentity struct{}

var _ Operation = faceIdentity{}

// Info describes the operation.
func (faceIdentity) Info() job.OperationInfo {
	return job.OperationInfo{Name: job.FaceIdentity, Summary: "whose faces there are: NAME.identity.json, and people.json of all pictures", Params: job.IdentityParams()}
}

// Outputs is the picture's JSON file.
func (faceIdentity) Outputs(name string, _ job.Args) []string {
	return []string{name + face.RecordSuffix}
}

// Run finds, names and writes.
func (faceIdentity) Run(ctx context.Context, f *Files, args job.Args) error {
	im, err := f.Image(ctx)
	if err != nil {
		return err
	}
	record := face.Picture{Image: f.Name(), Width: im.Width(), Height: im.Height(), Threshold: args.Float("threshold"), Faces: []face.Face{}}
	err = f.models.identity.lend(func(r recognizer, cache *knownCache) error {
		found, err := lookFor(r, im, FacesSide, args.Int("upsample"))
		if err != nil {
			return err
		}
		var samples []face.Sample
		if args["known"] != "" {
			if record.Known, samples, err = f.known(ctx, r, cache, args["known"]); err != nil {
				return err
			}
		}
		for _, one := range found {
			one.Match = face.Nearest(samples, &one.Descriptor, record.Threshold)
			record.Faces = append(record.Faces, one)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return f.Write(f.Name()+face.RecordSuffix, append(text, '\n'))
}

// lookFor finds and describes the faces in im, in its own pixels. It looks at a picture of
// at most so many pixels a side, doubled so many times: as JPEG, which is all that
// go-face reads, and upright, which it would not see to.
func lookFor(r recognizer, im *opencv.Image, side, upsample int) ([]face.Face, error) {
	longest := max(im.Width(), im.Height())
	factor := float64(longest) / float64(min(longest, side)<<upsample)
	seen := im
	if factor != 1 {
		pixels := func(n int) int { return max(1, int(math.Round(float64(n)/factor))) }
		var err error
		if seen, err = opencv.Resize(im, pixels(im.Width()), pixels(im.Height())); err != nil {
			return nil, err
		}
		defer seen.Close()
	}
	data, err := opencv.Encode(seen, ".jpg")
	if err != nil {
		return nil, err
	}
	defer data.Close()
	found, err := r.Recognize(data.Bytes())
	if err != nil {
		return nil, fmt.Errorf("describe faces: %w", err)
	}
	wide := func(n int) int { return int(math.Round(float64(n) * factor)) }
	faces := make([]face.Face, len(found))
	for i, f := range found {
		at := image.Rect(wide(f.Box.Min.X), wide(f.Box.Min.Y), wide(f.Box.Max.X), wide(f.Box.Max.Y))
		faces[i] = face.Face{Box: face.Box{X: at.Min.X, Y: at.Min.Y, Width: at.Dx(), Height: at.Dy()}, Descriptor: face.Descriptor(f.Descriptor)}
	}
	return faces, nil
}
