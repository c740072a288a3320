//go:build faults && !(gocv_specific_modules && gocv_photo)

package opencv

import "syscall"

// Abort ends the process with the signal that an abort in native code raises.
// It exists for tests of the whole program.
func Abort() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGABRT)
	select {}
}
