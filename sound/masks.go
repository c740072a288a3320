package sound

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Masks separates by where a sound is and what it does, and needs no model. Each
// frequency of each frame of a short-time Fourier transform is shared out, see [shares]:
// what is in the middle of the stereo picture goes to the vocals, what comes suddenly
// to the drums, what is low to the bass, and the rest to other. Other is the song
// without the first three, so that the four add up to it.
//
// A mono song is one that is all in the middle: all of it that is in the voice's
// range and lasts counts as voice. Its zero value is ready, and may be used concurrently.
type Masks struct{}

var _ Separator = Masks{}

// reach is how many frames on each side the medians over time see.
const reach = 8

// Context is what the frames of a moment cover and what their medians see: 0.28 s.
func (Masks) Context(rate int) int64 {
	size := frameSize(max(1, min(rate, MaxRate)))
	return int64(size + reach*size/overlap)
}

// Separate implements [Separator]. It needs about 600 bytes a moment of a frame: 2.5 MB
// at 44,100 moments a second.
func (Masks) Separate(ctx context.Context, f Format, c Chunk, in Source, out func(Block) error) error {
	if err := f.Check(); err != nil {
		return err
	}
	if f.Channels > 2 {
		return fmt.Errorf("%w: %d channels; mix them down to two first", ErrFormat, f.Channels)
	}
	if err := c.check(); err != nil {
		return err
	}
	r := newRun(f, c, in)
	for !r.done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.step(out); err != nil {
			return err
		}
	}
	return nil
}

// run is one chunk on its way through. Frames go in one by one; the stems of a frame
// come out when those that its medians see have come in.
type run struct {
	chunk    Chunk
	channels int
	in       Source
	frames   *stft
	shares   *shares

	next  int64        // the frame that comes in next
	read  int64        // where the source is
	ended bool         // it has no more
	raw   []float32    // takes what the source gives
	mix   [2][]float64 // from the first moment that has not come out to the end of the last frame

	parts [3][2][]float64    // what has been added up of vocals, drums and bass, a frame long
	stems [3][2][]complex128 // their spectra of one frame
	block Block
}

func newRun(f Format, c Chunk, in Source) *run {
	frames := newSTFT(frameSize(f.Rate))
	r := &run{
		chunk: c, channels: f.Channels, in: in, frames: frames, shares: newShares(f.Rate, frames),
		read: c.Start, next: floorDiv(c.Start-int64(frames.size), int64(frames.hop)) + 1,
		raw: make([]float32, frames.hop*f.Channels),
	}
	for side := range r.mix {
		r.mix[side] = make([]float64, frames.size+reach*frames.hop)
		for stem := range r.parts {
			r.parts[stem][side] = make([]float64, frames.size)
			r.stems[stem][side] = make([]complex128, frames.bins())
		}
	}
	for stem := range r.block {
		r.block[stem] = make([]float32, 0, frames.hop*f.Channels)
	}
	return r
}

// ready is the first moment that has not come out yet.
func (r *run) ready() int64 { return (r.next - reach) * int64(r.frames.hop) }

func (r *run) done() bool { return r.ready() >= r.chunk.To }

// step takes one frame in, and gives out what is complete with it.
func (r *run) step(out func(Block) error) error {
	if err := r.fill(); err != nil {
		return err
	}
	tail := len(r.mix[0]) - r.frames.size
	left, right := r.shares.fresh()
	r.frames.analyze(left, right, [2][]float64{r.mix[0][tail:], r.mix[1][tail:]})
	r.shares.advance()
	first := r.ready()
	r.next++
	if first+int64(r.frames.size) > r.chunk.From { // what lies before needs no stems
		r.synthesize()
	}
	if err := r.emit(first, out); err != nil {
		return err
	}
	for stem := range r.parts {
		for side := range r.parts[stem] {
			shift(r.parts[stem][side], r.frames.hop)
		}
	}
	return nil
}

// fill moves the mix on by a hop, and takes that many moments from the source;
// before its start and after its end is silence.
func (r *run) fill() error {
	hop := r.frames.hop
	for _, side := range r.mix {
		shift(side, hop)
	}
	from := r.next*int64(hop) + int64(r.frames.size-hop)
	if r.ended || r.read >= r.chunk.End {
		return nil
	}
	at := int(r.read - from) // above 0 in the first frame only
	want := int(min(int64(hop-at), r.chunk.End-r.read)) * r.channels
	got := 0
	for got < want {
		n, err := r.in.Read(r.raw[got:want])
		got += n
		if errors.Is(err, io.EOF) {
			r.ended = true
			break
		}
		if err != nil {
			return err
		}
	}
	moments := got / r.channels
	for i := range moments {
		for side, samples := range r.mix { // mono is the same on both sides
			samples[len(samples)-hop+at+i] = float64(tame(r.raw[i*r.channels+min(side, r.channels-1)]))
		}
	}
	r.read += int64(moments)
	return r.cut()
}

// cut settles where the chunk ends once the source has.
func (r *run) cut() error {
	if !r.ended {
		return nil
	}
	if r.chunk.To != Open && r.read < r.chunk.To {
		return fmt.Errorf("%w: it has %d moments of %d", ErrCut, r.read-r.chunk.Start, r.chunk.To-r.chunk.Start)
	}
	r.chunk.To = min(r.chunk.To, r.read)
	return nil
}

// synthesize adds up the stems of the frame in the middle of the medians.
func (r *run) synthesize() {
	r.shares.divide(&r.stems)
	for stem := range r.parts {
		r.frames.add(r.parts[stem], r.stems[stem][0], r.stems[stem][1])
	}
}

// emit gives out the first hop of what has been added up, which is complete, as far
// as it lies in the chunk's range. first is its first moment.
func (r *run) emit(first int64, out func(Block) error) error {
	low := max(0, r.chunk.From-first)
	high := min(int64(r.frames.hop), r.chunk.To-first)
	if low >= high {
		return nil
	}
	for stem := range r.block {
		r.block[stem] = r.block[stem][:int(high-low)*r.channels]
	}
	at := 0
	for i := low; i < high; i++ {
		for side := range r.channels {
			rest := r.mix[side][i]
			for stem := range r.parts {
				part := float32(r.parts[stem][side][i])
				r.block[stem][at] = part
				rest -= float64(part)
			}
			r.block[Other][at] = float32(rest)
			at++
		}
	}
	return out(r.block)
}

// shift drops the first n samples, and puts silence at the end.
func shift(samples []float64, n int) {
	copy(samples, samples[n:])
	clear(samples[len(samples)-n:])
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
