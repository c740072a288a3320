package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"spillway/job"
)

// Cost is what one check of a password takes: argon2id (RFC 9106).
type Cost struct {
	Memory uint32 // KiB
	Passes uint32
}

// DefaultCost is what OWASP's Password Storage Cheat Sheet asks for at least: 19 MiB,
// two passes, one lane.
func DefaultCost() Cost { return Cost{Memory: 19 << 10, Passes: 2} }

const (
	saltBytes = 16
	keyBytes  = 32
	lanes     = 1
)

// The lengths of passwords, in bytes.
const (
	minPassword = 8
	maxPassword = 1024
)

// CheckPassword reports why password cannot be one. Errors: InvalidArgument.
func CheckPassword(password string) error {
	switch {
	case len(password) < minPassword:
		return job.E(job.InvalidArgument, "password", errors.New("it is too short"), fmt.Sprintf("use %d bytes or more", minPassword))
	case len(password) > maxPassword:
		return job.E(job.InvalidArgument, "password", errors.New("it is too long"), fmt.Sprintf("use at most %d bytes", maxPassword))
	case !utf8.ValidString(password):
		return job.E(job.InvalidArgument, "password", errors.New("it is not UTF-8"), "type it in, or use letters and digits")
	}
	return nil
}

// hash is password's hash in the PHC string format, with a salt of its own.
func (c Cost) hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, lanes, keyBytes)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Passes, lanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// errHash tells that a kept hash cannot be read.
var errHash = errors.New("the kept hash of a password cannot be read")

// matches reports whether password has that hash, which may have another cost than
// today's.
func matches(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$") // "", argon2id, v=, m=,t=,p=, salt, key
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return false, errHash
	}
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil || passes == 0 || threads == 0 || memory > 1<<20 {
		return false, errHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errHash
	}
	key, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(key) == 0 || len(key) > 64 {
		return false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

// kiln bounds how many passwords are hashed at once, since each takes memory and a
// core, and how many wait for that: calls that wait have the places of all others.
type kiln struct {
	room chan struct{}
	line chan struct{} // who hashes, or waits
}

// waitersEach is how many wait for each that hashes, at most; the last one about a second.
const waitersEach = 32

func newKiln(atOnce int) kiln {
	return kiln{make(chan struct{}, atOnce), make(chan struct{}, atOnce*(1+waitersEach))}
}

// run runs f when there is room. Errors: the context's, ResourceExhausted (too many wait).
func (k kiln) run(ctx context.Context, f func()) error {
	select {
	case k.line <- struct{}{}:
		defer func() { <-k.line }()
	default:
		e := job.E(job.ResourceExhausted, "", errors.New("too many passwords are being checked"), "try again in a second")
		e.RetryAfter = time.Second
		return e
	}
	select {
	case k.room <- struct{}{}:
		defer func() { <-k.room }()
		f()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
