package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestAPI_SaysWhatIsWrongWithItsFlags(t *testing.T) {
	for _, args := range []string{"puts", "--path x", "--peers 0", "--turns 0", "--turn 1ms", "--bytes 0", "--none"} {
		_, err := parseAPI(strings.Fields(args))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), args)
		require.NotEmpty(t, job.HintOf(err), args)
	}
	c, err := parseAPI(nil)
	require.NoError(t, err)
	require.Equal(t, apiParts(), c.parts)
}

func TestPlainHTTP_AnswersAsLongAsItIsToldAndKeepsFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at, folder := l.Addr().String(), t.TempDir()
	require.NoError(t, l.Close())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- plainHTTP(ctx, at, folder, "100") }()
	var answer *http.Response
	for answer == nil {
		if answer, err = http.Get("http://" + at); err != nil {
			select {
			case err := <-ended:
				require.NoError(t, err, "it has ended")
			default:
			}
		}
	}
	require.NoError(t, answer.Body.Close())
	require.EqualValues(t, 100, answer.ContentLength)
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.jpg\"\r\n\r\nx\r\n--b--\r\n"
	answer, err = http.Post("http://"+at, "multipart/form-data; boundary=b", strings.NewReader(form))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	kept, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	cancel()
	require.NoError(t, <-ended)
}
