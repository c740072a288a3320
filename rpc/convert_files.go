package rpc

import (
	"bytes"

	"spillway/gen-go/spillway"
	"spillway/job"
)

func filePieceToWire(p job.Piece) *spillway.FilePiece {
	return &spillway.FilePiece{Name: p.Name, Size: p.Size, Offset: p.Offset, Data: p.Data, Sha256: p.Sum}
}

// filePieceFromWire copies what the layer below only lends.
func filePieceFromWire(p *spillway.FilePiece) job.Piece {
	return job.Piece{Name: p.Name, Size: p.Size, Offset: p.Offset, Data: bytes.Clone(p.Data), Sum: bytes.Clone(p.Sha256)}
}

func fileToWire(f job.FileInfo) *spillway.FileEntry {
	return &spillway.FileEntry{Name: f.Name, Size: f.Size}
}

func fileFromWire(f *spillway.FileEntry) job.FileInfo {
	return job.FileInfo{Name: f.Name, Size: f.Size}
}

func activityToWire(a job.Activity) *spillway.Activity {
	video, frame := a.Frame()
	return &spillway.Activity{File: clean(a.File), Operation: a.Operation, VideoID: clean(video), Frame: frame, SinceUs: toMicros(a.Since)}
}

func activityFromWire(a *spillway.Activity) job.Activity {
	return job.Activity{File: a.File, Operation: a.Operation, Since: fromMicros(a.SinceUs)}
}

func videoToWire(v job.VideoInfo) *spillway.VideoMetadata {
	return &spillway.VideoMetadata{
		RateNumerator: v.Rate.Num, RateDenominator: v.Rate.Den, DurationUs: v.Duration.Microseconds(),
		Width: small(v.Width), Height: small(v.Height), Codec: clean(v.Codec), Frames: v.Frames, Audio: v.Audio,
	}
}

func videoFromWire(v *spillway.VideoMetadata) job.VideoInfo {
	return job.VideoInfo{
		Rate: job.Rate{Num: v.RateNumerator, Den: v.RateDenominator}, Duration: micros(v.DurationUs),
		Width: int(v.Width), Height: int(v.Height), Codec: v.Codec, Frames: v.Frames, Audio: v.Audio,
	}
}

func extractionToWire(e job.Extraction) *spillway.Extraction {
	return &spillway.Extraction{
		Name: e.Name, RateNumerator: known(e.Rate.Num), RateDenominator: known(e.Rate.Den),
		FromUs: knownMicros(e.From), DurationUs: knownMicros(e.Duration),
	}
}

func extractionFromWire(e *spillway.Extraction) job.Extraction {
	if e == nil {
		return job.Extraction{}
	}
	return job.Extraction{
		Name: e.Name, Rate: job.Rate{Num: e.GetRateNumerator(), Den: e.GetRateDenominator()},
		From: micros(e.GetFromUs()), Duration: micros(e.GetDurationUs()),
	}
}

func creationToWire(c job.Creation) *spillway.Creation {
	return &spillway.Creation{
		Names: c.Names, RateNumerator: known(c.Rate.Num), RateDenominator: known(c.Rate.Den),
		DurationUs: knownMicros(c.Duration), Output: given(c.Output), Audio: given(c.Audio),
	}
}

func creationFromWire(c *spillway.Creation) job.Creation {
	if c == nil {
		return job.Creation{}
	}
	return job.Creation{
		Names: c.Names, Rate: job.Rate{Num: c.GetRateNumerator(), Den: c.GetRateDenominator()},
		Duration: micros(c.GetDurationUs()), Output: c.GetOutput(), Audio: c.GetAudio(),
	}
}

func pointToWire(p job.Point) *spillway.Point { return &spillway.Point{X: p.X, Y: p.Y} }

func pointFromWire(p *spillway.Point) job.Point { return job.Point{X: p.X, Y: p.Y} }

// known is an optional number; nil where it is 0.
func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
