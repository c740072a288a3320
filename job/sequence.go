package job

import (
	"path/filepath"
	"strconv"
	"strings"
)

// CreateVideo makes a video of each sequence of pictures.
const CreateVideo = "create_video"

// DefaultRate is the frames a second of what [CreateVideo] makes, where its parameter
// "rate" says nothing.
const DefaultRate = 25

// CreateRate is the frames a second that a [CreateVideo] makes, of its parameter "rate":
// 29.97 is 30000/1001, as [ParseRate] has it.
func CreateRate(rate string) Rate {
	r, err := ParseRate(rate)
	if err != nil {
		return Rate{DefaultRate, 1}
	}
	return r
}

// Picture is one of a sequence, as its name tells: "clip.12.png" is number 12 of "clip".
type Picture struct {
	Sequence string
	Number   int64
	Ext      string // with its dot, as it is written
}

// ParsePicture reads a file's name; false: it is no picture of a sequence.
func ParsePicture(name string) (Picture, bool) {
	ext := filepath.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	dot := strings.LastIndexByte(stem, '.')
	if dot < 1 || len(ext) < 2 || name[0] == '.' {
		return Picture{}, false
	}
	digits := stem[dot+1:]
	if digits == "" || len(digits) > 12 || strings.Trim(digits, "0123456789") != "" {
		return Picture{}, false
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	return Picture{Sequence: stem[:dot], Number: number, Ext: ext}, err == nil
}

// Of reports whether both are of one sequence.
func (p Picture) Of(o Picture) bool { return p.Sequence == o.Sequence && p.Ext == o.Ext }
