// Package operation holds what a node can do to a task's input: named
// operations, one file each, and the [Executor] that runs one on one file.
//
// # Pictures
//
// Inputs are JPEG, PNG, WebP, BMP and TIFF files, known by their content. The
// output keeps the input's name and is encoded as the name's extension says
// (.jpg .jpeg .png .webp .bmp .tif .tiff, in any case), as cv2.imwrite
// does by default: JPEG at quality 95, all others without loss.
//
// Whatever the input holds, an operation sees 8-bit blue, green and red, the
// picture upright, exactly as cv2.imread gives it by default:
//
//   - 16 bits a channel: the upper eight are kept.
//   - Alpha: dropped; the colour below a transparent pixel shows.
//   - CMYK and YCCK JPEG: converted to colour by OpenCV's simple formula,
//     without the ink profile.
//   - Gray and palette: made colour, with three equal channels for gray.
//   - EXIF orientation: applied for JPEG. OpenCV 4.6 does not read that of PNG
//     and WebP; later versions may. The output carries no EXIF data, so nobody
//     turns it twice.
//   - Several pages: the first. Animated WebP is refused.
//
// Keeping more (16 bits, alpha) would mean reading unchanged, which gives up
// the orientation and makes every operation handle more kinds of pixels; the
// assignment's filter is defined on 8-bit colour.
//
// # Files
//
// An executor reads input_dir/NAME and writes each output to a temporary name
// in output_dir. It never gives an output its real name: the caller does, with
// [Commit], or takes back what an attempt left, with [Discard]. So an attempt
// that was cancelled, killed or lost leaves no half-written picture.
package operation
