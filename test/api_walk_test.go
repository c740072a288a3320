//go:build gocv_specific_modules

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// step is one command of a walk in the documents, and what they show of its output.
type step struct{ command, shown string }

// walk are the steps of the console blocks of a document: commands stand behind "$ ", and
// go on behind a backslash; … stands for what varies, and alone for any lines.
func walk(document string) (steps []step) {
	inside, goesOn := false, false
	for line := range strings.Lines(document) {
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence:
			inside, goesOn = strings.TrimSpace(line) == "```console", false
			continue
		case !inside:
			continue
		case goesOn:
			steps[len(steps)-1].command += line
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{command: line[2:]})
		default:
			steps[len(steps)-1].shown += line
			continue
		}
		goesOn = strings.HasSuffix(strings.TrimSpace(line), `\`)
	}
	return steps
}

// like is a pattern for outputs like the one shown.
func like(shown string) *regexp.Regexp {
	var lines []string
	for line := range strings.Lines(shown) {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(line, "\n")), "…", ".*")
		if strings.TrimSpace(line) == "…" {
			pattern = "(?s:.*)"
		}
		lines = append(lines, pattern)
	}
	return regexp.MustCompile(`^` + strings.Join(lines, "\n") + `$`)
}

func TestWalk_ReadsCommandsAndWhatTheyShow(t *testing.T) {
	steps := walk("text\n```console\n$ a \\\n  b\none …\n…\n$ c\n```\n```\n$ not run\n```\n")
	require.Equal(t, []step{{"a \\\n  b\n", "one …\n…\n"}, {"c\n", ""}}, steps)
	require.Regexp(t, like(steps[0].shown), "one 7\ntwo\nthree")
	require.NotRegexp(t, like(steps[0].shown), "two\nthree")
	require.NotRegexp(t, like(steps[1].shown), "two")
}

func TestWalk_TheCommandsOfTheDocumentSayWhatItShows(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	require.NoError(t, err)
	at := freeAddr(t)
	steps := walk(strings.ReplaceAll(string(text), "127.0.0.1:8080", at))
	require.Greater(t, len(steps), 20)
	c := prepare(t, 2)
	for i := range 2 {
		c.nodes = append(c.nodes, c.startNode(i, "0"))
	}
	write(t, filepath.Join(c.dir, "a.jpg"), jpegBytes(t, 1))
	write(t, filepath.Join(c.dir, "b.jpg"), jpegBytes(t, 2))
	tune(t, filepath.Join(c.dir, "song.mp3"), "-t 2 -metadata artist=Band")
	require.NoError(t, os.Symlink(bin, filepath.Join(c.dir, "bin")))
	c.startServer("--http", at, "--demo")

	const mark = "=== the end of step"
	var script strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\necho \"%s $?\"\n", s.command, mark)
	}
	write(t, filepath.Join(c.dir, "walk.sh"), []byte(script.String()))
	session := exec.CommandContext(t.Context(), "bash", "walk.sh")
	session.Dir = c.dir
	out, err := session.CombinedOutput()
	require.NoError(t, err, "%s", out)

	said := strings.Split(strings.ReplaceAll(string(out), "\r", ""), mark)
	for i, s := range steps {
		require.Greater(t, len(said), i+1, "the session ended in %s", s.command)
		_, output, _ := strings.Cut(said[i], "\n")
		if i == 0 {
			output = said[i]
		}
		require.Regexp(t, like(s.shown), strings.TrimRight(output, "\n"), s.command)
		require.True(t, strings.HasPrefix(said[i+1], " 0\n"), "%sends with%s", s.command, said[i+1])
	}
}
