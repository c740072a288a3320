package opencv

// Matrix says how colours become luma and chroma.
type Matrix int

// The matrices: that of television before high definition (ITU-R BT.601), and that of
// high definition (ITU-R BT.709).
const (
	BT601 Matrix = iota
	BT709
)

// weights are those of red and blue in luma; green has the rest.
func (m Matrix) weights() (red, blue float64) {
	if m == BT709 {
		return 0.2126, 0.0722
	}
	return 0.299, 0.114
}
