//go:build !faults

package operation

// strikeHere is for a build with faults.
func strikeHere(string) int { return 0 }
