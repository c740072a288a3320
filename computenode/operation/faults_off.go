//go:build !faults

package operation

// faults is empty in a build for use.
func faults() []Operation { return nil }
