package main

import (
	"path/filepath"

	"spillway/computenode/isolate"
	"spillway/computenode/operation"
	"spillway/confine"
	"spillway/job"
	"spillway/native/opencv"
)

// childMode, as the first argument, makes the program one of the node's own
// child processes. The folder of models, which may be empty, and the roots follow.
const childMode = "isolated-child"

// runChild does operations for the parent process until it closes the pipe.
func runChild(args []string) error {
	models, dirs := "", args
	if len(args) > 0 {
		models, dirs = args[0], args[1:]
	}
	roots, err := confine.NewRoots(dirs...)
	if err != nil {
		return badRoot(err)
	}
	opencv.SetThreads(1)
	exec := operation.NewExecutor(roots)
	exec.ModelsIn(models) // what it loads ends with the process
	err = isolate.Serve(exec.Execute)
	if job.CodeOf(err) == job.FailedPrecondition { // somebody typed it
		return usage(childMode, err.Error(), job.HintOf(err))
	}
	return err
}

// childArgs starts the program as a child that works below dirs, with the models in
// a folder of their own.
func childArgs(models string, dirs []string) ([]string, error) {
	args := []string{childMode, models}
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, badRoot(err)
		}
		args = append(args, abs)
	}
	return args, nil
}

// childEnv is what native code must find before it starts: a bound on the pixels
// that OpenCV decodes, and a malloc that keeps the memory of one picture for the
// next instead of giving it back to the kernel each time. A child does one thing
// at a time, so that one processor is enough for its Go code.
func childEnv() []string {
	return []string{
		"OPENCV_IO_MAX_IMAGE_PIXELS=100000000",
		"GOMAXPROCS=1",
		"GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000:glibc.malloc.top_pad=67108864",
	}
}
