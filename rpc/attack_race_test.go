//go:build race

package rpc_test

import "time"

// The race detector needs a multiple of the memory and of the time.
const (
	judgeMemory  = false
	honestWithin = 10 * time.Second

	crowdSize  = 3_500
	aheadCalls = 10_000
	largeCalls = 100

	manyBytes = 2_000_000
	deepBytes = 8_000_000
	bombBytes = 20_000_000
)
