package job

import (
	"crypto/sha256"
	"encoding/hex"
)

// TempPrefix begins the name of every temporary file of the job in [OutputDir], and
// of no other job's: what a node that died has left there can be told by it.
func TempPrefix(id ID) string {
	sum := sha256.Sum256([]byte(id))
	return HiddenPrefix + hex.EncodeToString(sum[:6]) + "-"
}
