package split

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// identity is a word of a part's note by which its input can be told from what replaces it
// while the job runs, when some parts are of the one and some of the other: its size, and
// when it was written. It is empty where the file cannot be asked.
func identity(in *os.File) string {
	info, err := in.Stat()
	if err != nil {
		return ""
	}
	return fmt.Sprintf(",is=%x-%x", info.Size(), info.ModTime().UnixNano())
}

var errChanged = errors.New("it was written to while the job ran")

// sameSource checks that the input is still what was split. A note without an identity is
// that of a job from before there was one.
func (j joining) sameSource() error {
	for _, p := range j.parts {
		for word := range strings.SplitSeq(p.Note, ",") {
			if strings.HasPrefix(word, "is=") && ","+word != identity(j.source) {
				return errChanged
			}
		}
	}
	return nil
}
