package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every command of bench in the documents is one that bench understands.
func TestDocuments_CommandsOfBenchParse(t *testing.T) {
	for _, name := range []string{"assignment.md", "policies.md"} {
		text, err := os.ReadFile("../docs/" + name)
		require.NoError(t, err)
		lines := regexp.MustCompile("(?m)(?:^    |`)bin/bench ([^`\n]*)").FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, lines)
		for _, line := range lines {
			args := strings.Fields(line[1])
			var err error
			switch args[0] {
			case "sim":
				_, err = parseSim(args[1:])
			case "compare":
				_, err = parseCompare(args[1:])
			default:
				_, err = parse(args)
			}
			require.NoError(t, err, "%s: %s", name, line[0])
		}
	}
}

// Every flag of the other programs in the documents is one of theirs, by the sources that
// define them.
func TestDocuments_FlagsOfTheProgramsExist(t *testing.T) {
	text, err := os.ReadFile("../docs/assignment.md")
	require.NoError(t, err)
	lines := regexp.MustCompile("(?m)(?:^    |`)bin/(client|server|computenode)\\b([^`\n]*)").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(line[2], -1) {
			require.Contains(t, sources(t, "../"+line[1]), `"`+flag[1]+`"`, line[0])
		}
	}
}

// sources is the text of a program's own files.
func sources(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all strings.Builder
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			text, err := os.ReadFile(dir + "/" + e.Name())
			require.NoError(t, err)
			all.Write(text)
		}
	}
	return all.String()
}
