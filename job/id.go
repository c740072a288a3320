package job

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// maxIDLength bounds the ids that clients make.
const maxIDLength = 64

// NewID makes an id that nobody else makes: 16 characters, 80 random bits.
func NewID() ID { return ID(strings.ToLower(rand.Text()[:16])) }

// Check reports whether id can name a job: 1 to 64 of the characters
// a-z A-Z 0-9 - _ and a dot that does not lead. Errors: InvalidArgument.
func (id ID) Check() error {
	ok := id != "" && len(id) <= maxIDLength && id[0] != '.'
	for _, c := range id {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c))
	}
	if !ok {
		return E(InvalidArgument, "job id", fmt.Errorf("%.80q is not an id", string(id)),
			"use 1 to 64 letters, digits, '-', '_' or '.'")
	}
	return nil
}
