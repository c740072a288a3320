package rpc

import (
	"math"
	"time"
)

// Times cross as microseconds since 1970, 0 where there is none; durations as
// microseconds, or as milliseconds where the field's name says so.

func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func micros(us int64) time.Duration {
	return scale(us, time.Microsecond)
}

func millis(ms int64) time.Duration {
	return scale(ms, time.Millisecond)
}

// scale is n units, held within what a Duration can say.
func scale(n int64, unit time.Duration) time.Duration {
	if most := math.MaxInt64 / int64(unit); n > most || n < -most {
		n = max(-most, min(n, most))
	}
	return time.Duration(n) * unit
}

// wholeMillis rounds up, so that a time that is left never becomes none.
func wholeMillis(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d > 0 && d%time.Millisecond != 0 {
		ms++
	}
	return ms
}

// small is n as the wire holds it.
func small(n int) int32 {
	return int32(max(math.MinInt32, min(n, math.MaxInt32)))
}

// convert maps a list; an empty one is nil.
func convert[A, B any](list []A, f func(A) B) []B {
	if len(list) == 0 {
		return nil
	}
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = f(a)
	}
	return out
}

// word maps between a word of ours and text.
func word[To, From ~string](w From) To { return To(w) }

// given is an optional text; nil where it is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// knownMicros is an optional field that is left out where the time is unknown.
func knownMicros(d time.Duration) *int64 {
	us := d.Microseconds()
	if us <= 0 {
		return nil
	}
	return &us
}
