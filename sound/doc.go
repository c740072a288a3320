// Package sound takes songs apart into stems, reads and writes WAV files, cuts songs into
// chunks that can be separated apart from each other, and joins what comes out.
//
// It knows no files, programs or networks: samples come from a [Source] and go to a
// function. So a server can plan and join, and a node separate, with the same code. Other
// formats than WAV are decoded by whoever has a decoder, and come in through [Floats].
//
// # What is defined for odd sound
//
//   - Mono: as a stereo song with the same on both sides; the stems are mono.
//   - More than two channels: [ErrFormat]. A decoder mixes them down to two first.
//   - Silence gives silence, in every stem.
//   - Shorter than a frame, down to one moment: as any other song.
//   - Any rate from 1 to [MaxRate]: the frame is the power of two nearest to 93 ms.
//   - A sample that is no number counts as 0, and one beyond ±10,000 as that.
//   - No moments at all: nothing comes out.
//
// # Exactness
//
// Everything is calculated in float64 and in the same order for a chunk as for the whole,
// so that joined chunks equal the whole bit by bit. Processors on which Go fuses
// multiplications and additions (arm64) may differ from others (amd64) in the last bits
// of a float32.
package sound
