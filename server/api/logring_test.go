package api

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogRing_KeepsTheLatestLinesAndTellsTheNextHandler(t *testing.T) {
	var text bytes.Buffer
	r := NewLogRing(3)
	log := slog.New(r.Handler(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo})))
	log.Debug("not enabled")
	for i := range 5 {
		log.Info("line", "i", i)
	}
	require.Equal(t, 5, strings.Count(text.String(), "msg=line"))
	last := r.Last(2)
	require.Len(t, last, 2)
	require.Equal(t, int64(4), last[0].Number)
	require.Equal(t, map[string]string{"i": "4"}, last[1].Attributes)
	require.Len(t, r.Last(100), 3)
	require.Empty(t, r.Last(0))
	require.Empty(t, r.Last(-1))
}

func TestLogRing_TellsWhetherLinesAreLost(t *testing.T) {
	r := NewLogRing(3)
	lines, lost := r.Since(0)
	require.Empty(t, lines)
	require.False(t, lost)
	log := slog.New(r.Handler(slog.DiscardHandler))
	for _, row := range []struct {
		after int64
		lines int
		lost  bool
	}{{0, 3, true}, {1, 3, true}, {2, 3, false}, {4, 1, false}, {5, 0, false}, {9, 0, false}} {
		for r.last < 5 {
			require.NoError(t, log.Handler().Handle(t.Context(), slog.Record{Message: "line"}))
		}
		lines, lost := r.Since(row.after)
		require.Len(t, lines, row.lines, row)
		require.Equal(t, row.lost, lost, row)
	}
}

func TestLogRing_AttributesHaveTheNamesOfTheirGroups(t *testing.T) {
	r := NewLogRing(0)
	log := slog.New(r.Handler(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	log.With("node", "node_0").WithGroup("g").With("a", 1).WithGroup("").Warn("it mended", "err", errors.New("broken"), slog.Group("h", "b", true))
	l := r.Last(1)[0]
	require.Equal(t, "WARN", l.Level)
	require.Equal(t, map[string]string{"node": "node_0", "g.a": "1", "g.err": "broken", "g.h.b": "true"}, l.Attributes)
}

func TestLogRing_ALineIsBounded(t *testing.T) {
	r := NewLogRing(0)
	log := slog.New(r.Handler(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	long := strings.Repeat("ä", 1<<15)
	log.Info("line", long, long, "a", long, "b", long, "c", "gone")
	size := 0
	for name, value := range r.Last(1)[0].Attributes {
		size += len(name) + len(value)
		require.True(t, strings.HasPrefix(strings.ToValidUTF8(value, "?"), value))
	}
	require.LessOrEqual(t, size, logWhole)
}

func TestLogRing_NextWakesWhoeverWaits(t *testing.T) {
	r := NewLogRing(0)
	log := slog.New(r.Handler(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	var all sync.WaitGroup
	for range 3 {
		next := r.Next(0)
		all.Go(func() { <-next })
	}
	log.Info("line")
	all.Wait()
	<-r.Next(0)
	select {
	case <-r.Next(1):
		require.Fail(t, "there is no second line")
	default:
	}
}
