package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"spillway/job"
)

// PlainSong is the benchmark's command that is the plain program: one process that
// decodes a song, takes it apart and writes the four stems, called with how many threads
// are to do it. It prints a [PlainSongDid].
const PlainSong = "plain-song"

// PlainSongDid is what the plain program prints: one object of JSON.
type PlainSongDid struct {
	Seconds float64 `json:"seconds"` // of song
}

// SongTurns are the turns of a song, with the most memory that one of the nodes had, of
// its process and FFmpeg's together.
type SongTurns struct {
	Turns []Turn
	Peak  int64 // bytes
}

// The plain programs of a song, as [Turn.Plain] has them.
const (
	PlainUnsplit = iota // the whole song at once, in one thread
	PlainThreads        // as many pieces as cores, each in a thread
)

// MeasureSong runs stems, split into as many chunks as there are cores, through client,
// server and two nodes with half of the cores each, beside the plain program: unsplit in
// one thread, and with all cores. All are timed from the start of the process, or of the
// client, to the finished files, which must be the same, byte for byte.
// Errors: NotFound (programs), InvalidArgument (the song); plain.
func MeasureSong(ctx context.Context, c Contest, song string) (told SongTurns, err error) {
	lab, err := NewLab(c.Bin)
	if err != nil {
		return told, err
	}
	defer lab.Close()
	base, clip, err := lab.oneFile("--song", song)
	if err != nil {
		return told, err
	}
	pool, err := lab.Start(ctx, twoNodes())
	if err != nil {
		return told, err
	}
	defer pool.Stop()
	peak := watchMemory(pool.nodes)
	defer func() { told.Peak = peak() }()
	var seconds float64
	plainBase := filepath.Join(lab.dir, "plain")
	plain := func(threads int) contestant {
		return func(ctx context.Context) (float64, Took, error) {
			var did PlainSongDid
			printed, took, err := runPlain(ctx, nil, c.Self, PlainSong, strconv.Itoa(threads), clip, filepath.Join(plainBase, job.OutputDir))
			if err == nil {
				err = json.Unmarshal(printed, &did)
			}
			seconds = did.Seconds
			return seconds, took, err
		}
	}
	ours := func(ctx context.Context) (float64, Took, error) {
		took, err := pool.stems(ctx, base, clip)
		if err == nil {
			err = sameOutputs(base, plainBase)
		}
		return seconds, took, err
	}
	told.Turns, err = c.run(ctx, "seconds of song", ours, plain(1), plain(runtime.NumCPU()))
	return told, err
}

// stems is the turn of the cluster.
func (c *Cluster) stems(ctx context.Context, base, clip string) (Took, error) {
	if err := ClearOutputs(base); err != nil {
		return Took{}, err
	}
	chunks := max(2, min(runtime.NumCPU(), job.MaxSongParts))
	return c.timed(func() (time.Duration, error) {
		did, err := c.client(ctx, clip, chunks, "--op", fmt.Sprintf("%s:chunks=%d", job.Stems, chunks))
		return did.cpu, err
	})
}

// sameOutputs checks that two folders have made the same.
func sameOutputs(a, b string) error {
	one, err := Outputs(a)
	if err != nil {
		return err
	}
	other, err := Outputs(b)
	if err != nil {
		return err
	}
	if len(one) == 0 || !maps.Equal(one, other) {
		return errors.New("the programs wrote different files")
	}
	return nil
}

// lookEvery is how often the memory of nodes is looked at: an FFmpeg lives for less than
// a second at the least.
const lookEvery = 50 * time.Millisecond

// watchMemory looks at what processes have resident, each with its children, until it is
// asked for the most, in bytes. Where it looks too seldom, the most of the process alone
// counts, which the system knows.
func watchMemory(of []*process) (peak func() int64) {
	stop := make(chan struct{})
	var most int64
	var watching sync.WaitGroup
	watching.Go(func() {
		ticks := time.NewTicker(lookEvery)
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticks.C:
			}
			for _, p := range of {
				most = max(most, familyMemory(p.cmd.Process.Pid))
			}
		}
	})
	return func() int64 {
		close(stop)
		watching.Wait()
		for _, p := range of {
			if alone, err := peakMemory(p.cmd.Process.Pid); err == nil {
				most = max(most, alone)
			}
		}
		return most
	}
}

// familyMemory is what a process and its children have resident, in bytes.
func familyMemory(pid int) int64 {
	all := residentPages(pid)
	for _, child := range children(pid) {
		all += residentPages(child)
	}
	return all * int64(os.Getpagesize())
}
