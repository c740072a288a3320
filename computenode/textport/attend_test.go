//go:build linux

package textport

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// working is a rig whose work on faces goes on until its caller ends it, or release is
// called.
func working(t *testing.T) (r *rig, entered, ended chan struct{}, release func()) {
	t.Helper()
	entered, ended, goOn := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	r = newRig(t, Config{Look: time.Millisecond}, &fakeNative{hold: func(ctx context.Context) error {
		entered <- struct{}{}
		select {
		case <-ctx.Done():
			ended <- struct{}{}
			return ctx.Err()
		case <-goOn:
			return nil
		}
	}}, 1000)
	p := r.dial()
	require.Equal(t, "received file f.png with length 4", p.ask("put file f.png with length 4\nface"))
	return r, entered, ended, func() { close(goOn) }
}

func TestPort_WorkEndsWhenItsPeerIsGone(t *testing.T) {
	for name, leave := range map[string]func(p *peer) error{
		"closed":                 func(p *peer) error { return p.nc.Close() },
		"reset":                  func(p *peer) error { return errors.Join(p.nc.SetLinger(0), p.nc.Close()) },
		"half closed, then gone": func(p *peer) error { return errors.Join(p.nc.CloseWrite(), p.nc.Close()) },
		"with requests behind":   func(p *peer) error { p.send("view job\nput file x with length 100\nhal"); return p.nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, entered, ended, _ := working(t)
			p := r.dial()
			p.send("detect face for file f.png\n")
			<-entered
			require.NoError(t, leave(p))
			<-ended
			require.Eventually(t, func() bool {
				all, err := r.desk.View(t.Context())
				return err == nil && len(all) == 0
			}, time.Minute, time.Millisecond)
			require.Equal(t, "no job", r.dial().ask("view job"))
		})
	}
}

func TestPort_APeerThatOnlySendsNoMoreGetsItsReplies(t *testing.T) {
	r, entered, ended, release := working(t)
	p := r.dial()
	p.send("detect face for file f.png\nview job\nget file f.png\nmake coffee\n")
	<-entered
	require.NoError(t, p.nc.CloseWrite())
	_, err := p.in.Peek(len(beginByte))
	require.NoError(t, err, "the reply is begun")
	select {
	case <-ended:
		t.Fatal("the work was ended")
	default:
	}
	release()
	require.Contains(t, p.reply(), "face detected for file f.png with face data points (0,0)", "and it is whole")
	require.Equal(t, "no job", p.reply())
	require.Equal(t, "sent file f.png with length 4", p.reply())
	rest := make([]byte, 4)
	_, err = io.ReadFull(p.in, rest)
	require.NoError(t, err)
	require.Equal(t, "face", string(rest))
	require.Contains(t, p.reply(), "error: there is no such request")
	p.ends()
}

func TestPort_APeerThatStaysIsLeftInPeace(t *testing.T) {
	r, entered, ended, release := working(t)
	p := r.dial()
	p.send("detect face for file f.png\n")
	<-entered
	require.NoError(t, p.nc.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := p.in.Peek(1)
	require.Error(t, err, "nothing is sent early")
	release()
	require.Contains(t, p.reply(), "face detected")
	require.Empty(t, ended)
}
