//go:build race

package rpc_test

import "time"

// The race detector needs a multiple of the memory and of the time.
const (
	judgeMemory  = false
	honestWithin = 10 * time.Second

	crowdSize  = 4_000
	aheadCalls = 10_000
	largeCalls = 16
)
