//go:build !gocv_specific_modules || !gocv_photo

package opencv

// NewFrame returns ErrUnavailable.
func NewFrame(width, height int) (*Image, error) { return nil, ErrUnavailable }

// Load returns ErrUnavailable.
func (im *Image) Load(pixels []byte) error { return ErrUnavailable }

// Store returns ErrUnavailable.
func (im *Image) Store(into []byte) ([]byte, error) { return into, ErrUnavailable }

// LoadPlanes returns ErrUnavailable.
func (im *Image) LoadPlanes(pixels []byte, m Matrix) error { return ErrUnavailable }

// StorePlanes returns ErrUnavailable.
func (im *Image) StorePlanes(into []byte, m Matrix) ([]byte, error) { return into, ErrUnavailable }

// DrawEdges returns ErrUnavailable.
func DrawEdges(im *Image) error { return ErrUnavailable }
