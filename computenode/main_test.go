package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// mainEnv makes the test binary the program itself.
const mainEnv = "COMPUTENODE_TEST_MAIN"

// TestMain lets the test binary be the program, and its own child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childMode {
		os.Exit(exit(os.Stderr, runChild(os.Args[2:])))
	}
	if os.Getenv(mainEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}
