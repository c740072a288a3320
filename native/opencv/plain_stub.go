//go:build !gocv_specific_modules || !gocv_photo

package opencv

// PlainEdges returns ErrUnavailable.
func PlainEdges(in, out string) error { return ErrUnavailable }
