package isolate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// frames are the bytes of messages.
func frames(t testing.TB, messages ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newFrameWriter(&b)
	for _, m := range messages {
		require.NoError(t, w.say(answer[string]{Rep: m}))
	}
	return b.Bytes()
}

func TestFrameReader_InterruptedMessageIsTakenUpAgain(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	in := newFrameReader(r)
	data := frames(t, "first", "second")
	var got []string
	for _, b := range data {
		_, err := w.Write([]byte{b})
		require.NoError(t, err)
		require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Hour)))
		// One byte is there: take it in, then be interrupted while waiting for more.
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			_ = r.SetReadDeadline(time.Unix(1, 0))
		}()
		var a answer[string]
		if err := in.receive(&a); err == nil {
			got = append(got, a.Rep)
		} else {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		<-stop
	}
	w.Close()
	require.NoError(t, r.SetReadDeadline(time.Time{}))
	for {
		var a answer[string]
		if err := in.receive(&a); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		got = append(got, a.Rep)
	}
	require.Equal(t, []string{"first", "second"}, got)
}

func TestFrameReader_RubbishIsAnError(t *testing.T) {
	giant := binary.BigEndian.AppendUint32(nil, maxFrame+1)
	whole := frames(t, "x")
	for name, data := range map[string][]byte{
		"text":           []byte(strings.Repeat("rubbish ", 10)),
		"giant claim":    giant,
		"empty frame":    {0, 0, 0, 0},
		"cut off":        whole[:len(whole)-1],
		"only a head":    whole[:4],
		"bytes too many": append(binary.BigEndian.AppendUint32(nil, uint32(len(whole)-4+3)), append(whole[4:len(whole):len(whole)], 0, 0, 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			var a answer[string]
			require.Error(t, newFrameReader(bytes.NewReader(data)).receive(&a))
		})
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add(frames(f, "a", "b"))
	f.Add([]byte{0, 0, 0, 2, 1, 2})
	f.Fuzz(func(_ *testing.T, data []byte) {
		in := newFrameReader(bytes.NewReader(data))
		for {
			var a answer[string]
			if in.receive(&a) != nil {
				return
			}
		}
	})
}

func TestPool_MessageOverTheLimitCostsItsTask(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	_, err := p.Do(t.Context(), order{Do: "echo", Arg: strings.Repeat("x", maxFrame+1)})
	require.Equal(t, job.Internal, job.CodeOf(err))
	require.ErrorContains(t, err, "over the limit of 16 MiB")
	_, err = p.Do(t.Context(), order{Do: "echo", Arg: strings.Repeat("x", maxFrame/2)})
	require.NoError(t, err)
}

func TestFail_CrossesWhatMatters(t *testing.T) {
	require.NoError(t, fail(nil).err())
	back := fail(job.E(job.NotFound, "read a.jpg", errors.New("gone"), "put it back")).err()
	require.Equal(t, job.E(job.NotFound, "read a.jpg", errors.New("gone"), "put it back"), back)
}

func TestReason_IsTheMostTellingLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"last line", "starting\nbroken pipe dream\n\n", "broken pipe dream"},
		{
			"C++", "noise\nterminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nSIGABRT: abort\n",
			"terminate called after throwing an instance of 'std::bad_alloc' what(): std::bad_alloc",
		},
		{"Go", "fatal error: runtime: out of memory\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1d\n", "fatal error: runtime: out of memory"},
		{"control characters", "panic: \x1b[31mred\x00\ufffd\n", "panic: [31mred"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, reason(tt.text)) })
	}
	require.LessOrEqual(t, len([]rune(reason("panic: "+strings.Repeat("é", 5000)))), reasonRunes+1)
}

func TestOutput_KeepsHeadAndTail(t *testing.T) {
	var o output
	_, _ = o.Write([]byte("panic: first\n"))
	for range 1000 {
		_, _ = o.Write([]byte(strings.Repeat("noise ", 10)))
	}
	_, _ = o.Write([]byte("last"))
	require.True(t, strings.HasPrefix(o.text(), "panic: first\n"))
	require.True(t, strings.HasSuffix(o.text(), "last"))
	require.Len(t, o.text(), 2*keepBytes)
	o.reset()
	require.Empty(t, o.text())
}

func TestSize_IsForPeople(t *testing.T) {
	for bytes, want := range map[int64]string{17: "17 bytes", 1536: "1.5 KiB", 512 << 20: "512 MiB", 2 << 30: "2 GiB"} {
		require.Equal(t, want, Size(bytes))
	}
}
