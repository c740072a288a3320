package operation

import (
	"context"
	"encoding/json"
	"slices"

	"spillway/job"
	"spillway/native/opencv"
)

// faceLandmarks finds every face and its 68 points. It writes them as [Faces], in
// JSON, and on request the picture with what was found drawn on it. A picture
// without a face is a success with an empty list: most pictures of a folder have
// none, and a program that reads the list counts to zero as to any other number.
type faceLandmarks struct{}

var _ Operation = faceLandmarks{}

// Info describes the operation.
func (faceLandmarks) Info() job.OperationInfo {
	return job.OperationInfo{Name: "face_landmarks", Summary: "the faces and 68 points on each, as NAME.json", Params: faceParams(job.ParamInfo{
		Name: "draw", Kind: job.ChoiceParam, Default: "no", Choices: []string{"no", "yes"}, Summary: "yes: also the picture with boxes and points, the first face in green",
	})}
}

// landmarksName is the name of the JSON file. It keeps the picture's ending, as two
// pictures may differ in nothing else.
func landmarksName(name string) string { return name + ".json" }

// Outputs are the JSON file, and the picture where it is drawn.
func (faceLandmarks) Outputs(name string, args job.Args) []string {
	if args["draw"] == "yes" {
		return []string{landmarksName(name), name}
	}
	return []string{landmarksName(name)}
}

// Run finds, writes and draws.
func (faceLandmarks) Run(ctx context.Context, f *Files, args job.Args) error {
	im, err := f.Image(ctx)
	if err != nil {
		return err
	}
	found, err := f.faces(ctx, im, args)
	if err != nil {
		return err
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if err := f.Write(landmarksName(f.Name()), append(text, '\n')); err != nil || args["draw"] != "yes" {
		return err
	}
	for _, face := range slices.Backward(found.Faces) { // the first one last, above the others
		if err := drawFace(im, face); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.WriteImage(f.Name(), im)
}

// drawFace draws the box and the points: green for the first face, yellow for others.
func drawFace(im *opencv.Image, face Face) error {
	colour := opencv.Colour{Green: 255, Red: 255}
	if face.First {
		colour.Red = 0
	}
	if err := opencv.DrawBox(im, face.Box.rectangle(), face.stroke(), colour); err != nil {
		return err
	}
	for _, p := range face.Points {
		if err := opencv.DrawPoint(im, point(p), face.stroke(), colour); err != nil {
			return err
		}
	}
	return nil
}
