package ffmpeg

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Ratio is a fraction: frames a second, 30000/1001 for 29.97, or the seconds of one
// tick of a time base. The zero Ratio is unknown.
type Ratio struct {
	Num, Den int64
}

// maxTerm bounds both terms, so that sums of products stay in range.
const maxTerm = 1<<31 - 1

// ParseRatio reads "30000/1001", "25" or "29.97", in lowest terms. Errors name the text.
func ParseRatio(text string) (Ratio, error) {
	bad := fmt.Errorf("%.40q is not a rate; write 25, 29.97 or 30000/1001", text)
	if len(text) > 24 || strings.ContainsAny(text, "eEpPxX_-+") {
		return Ratio{}, bad
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok || value.Sign() <= 0 || !value.Num().IsInt64() || !value.Denom().IsInt64() {
		return Ratio{}, bad
	}
	r := Ratio{value.Num().Int64(), value.Denom().Int64()}
	if r.Num > maxTerm || r.Den > maxTerm {
		return Ratio{}, bad
	}
	return r, nil
}

// String gives NUM/DEN; the zero Ratio is 0/0.
func (r Ratio) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Known tells a ratio from the zero one.
func (r Ratio) Known() bool { return r.Num > 0 && r.Den > 0 }

// Float is the quotient; 0 where it is unknown.
func (r Ratio) Float() float64 {
	if !r.Known() {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// MarshalText gives NUM/DEN, for JSON.
func (r Ratio) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (r *Ratio) UnmarshalText(text []byte) error {
	if string(text) == "0/0" {
		*r = Ratio{}
		return nil
	}
	var err error
	*r, err = ParseRatio(string(text))
	return err
}

// Duration is how long so many ticks of the time base r are.
func (r Ratio) Duration(ticks int64) time.Duration {
	return time.Duration(float64(ticks) * r.Float() * float64(time.Second))
}
