package mux

import (
	"bufio"
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A call may choose a connection just before that is to take no more. It then is
// no part of what the connection waits for, so it must not be sent.
func TestConn_CallThatComesWhenItIsRetiredIsUnsent(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newConn(near, Limits{}.withDefaults(), time.Second, func(*conn) {})
	defer c.end(ErrClosed, nil)
	c.waiting[99] = &reply{done: make(chan struct{}, 1)} // or it would end at once
	c.retire()
	o := encodeControl("ping", 0)
	err := c.call(t.Context(), "ping", o, noFields{})
	require.Equal(t, &CallError{Method: "ping", Unsent: true, Err: errRetired}, err)
}

func TestConn_EndsAfterItsOnewayCallsHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newConn(near, Limits{}.withDefaults(), time.Minute, func(*conn) {})
		defer c.end(ErrClosed, nil)
		const notes = 3
		for range notes {
			require.NoError(t, c.call(context.Background(), "note", encodeControl("note", 0), nil))
		}
		c.retire()
		time.Sleep(time.Second) // the peer is slow to read
		in := reader{r: bufio.NewReaderSize(far, readBuffer), lim: Limits{}.withDefaults()}
		got := 0
		for {
			m, err := in.next()
			if err != nil {
				break // it has ended
			}
			m.free()
			got++
		}
		require.Equal(t, notes, got)
	})
}
