//go:build !race

package rpc_test

import "time"

const (
	// judgeMemory tells that peaks are held to their limits.
	judgeMemory = true
	// honestWithin is how soon an honest call is answered in the midst of an attack.
	honestWithin = time.Second

	crowdSize  = 10_000  // connections; more than a server lets in
	aheadCalls = 100_000 // calls that are sent before an answer is read
	largeCalls = 100     // at once, of manyBytes

	manyBytes = 15_000_000  // of empty structs, or of one value
	deepBytes = 64_000_000  // of nesting
	bombBytes = 100_000_000 // that a small message is inflated to
)
