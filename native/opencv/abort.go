//go:build faults && gocv_specific_modules && gocv_photo

package opencv

// #include "shim.h"
import "C"

// Abort ends the process in native code, as an exception that nobody catches
// does. It exists for tests of the whole program.
func Abort() { C.shim_terminate() }
