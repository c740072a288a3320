// Package ffmpeg is the only door to FFmpeg: it runs the programs ffmpeg and
// ffprobe, and gives what they say and decode as Go values.
//
// It is pure Go and holds no C. The programs are looked for when they are first
// needed; where they are missing every function returns [ErrMissing].
//
// # What the programs may do
//
// Files are handed over open, never by name, so that who opened them has decided
// what may be read and written; a name with a colon or a leading dash means nothing.
// Of the formats that FFmpeg reads only real containers are allowed: a playlist or
// a list of files that calls itself video opens nothing else. Of the protocols only
// those for open files are. There is no shell, no standard input, and none of the
// caller's environment but what finds programs and libraries. A context that ends
// kills the program with all that it started, and so does the end of the process.
// Both programs come from outside: what they print is bounded before it is kept.
//
// # Time
//
// A frame is known by its timestamp, in ticks of the stream's time base, and a run
// of frames by the timestamps that it begins with and ends before. So runs that
// touch share no frame and miss none, whatever the frame rate does.
package ffmpeg
