// Package spillway_test holds the floor plan of the whole tree.
package spillway_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// floors has every folder that may hold Go files. A package may import those of
// lower floors, and none of its own.
var floors = map[string]int{
	"client": 3, "server": 3, "computenode": 3, "bench": 4, "bench/scenario": 3, "test": 3, "test/chaos": 3,

	"server/cluster": 2, "server/scheduler": 2, "server/project": 2, "server/api": 2, "server/music": 2, "server/workload": 2,
	"computenode/worker": 2, "computenode/files": 2, "computenode/media": 2, "computenode/textport": 2, "bench/load": 2, "bench/sim": 2,

	"rpc": 1, "view": 1, "machine": 1, "server/split": 1, "server/policy": 1, "server/tail": 1, "server/store": 1, "server/account": 1, "server/metrics": 1, "server/files": 1,
	"computenode/admission": 1, "computenode/operation": 1, "computenode/isolate": 1,
	"computenode/workspace": 1, "bench/report": 1, "bench/closedform": 1, "trace/otlp": 1,

	"job": 0, "sketch": 0, "sound": 0, "face": 0, "params": 0, "confine": 0, "systemd": 0, "gen-go/spillway": 0, "gen-go/echo": 0, "rpc/mux": 0, "trace": 0,
	"native/opencv": 0, "native/dlib": 0, "native/goface": 0, "native/ffmpeg": 0,
}

// module is the name in go.mod.
const module = "spillway"

func TestFloorplan_ImportsGoDownOnly(t *testing.T) {
	require.Empty(t, brokenImports(t, os.DirFS(".")))
}

func TestFloorplan_SeesEachBrokenRule(t *testing.T) {
	rows := []struct{ name, file, imports, want string }{
		{"up", "job/a.go", "spillway/rpc", "job/a.go:2: imports rpc: floor 0 may not import floor 1"},
		{"sideways", "rpc/a.go", "spillway/machine", "rpc/a.go:2: imports machine: floor 1 may not import floor 1"},
		{"across", "server/a.go", "spillway/computenode/worker", "server/a.go:2: imports computenode/worker: server and computenode never import each other"},
		{"across, back", "computenode/worker/a.go", "spillway/server/policy", "computenode/worker/a.go:2: imports server/policy: server and computenode never import each other"},
		{"generated code", "server/a.go", "spillway/gen-go/spillway", "server/a.go:2: imports gen-go/spillway: only rpc may"},
		{"generated code for tests", "rpc/a.go", "spillway/gen-go/echo", "rpc/a.go:2: imports gen-go/echo: only tests and bench/rpc may"},
		{"C outside native", "rpc/a.go", "C", "rpc/a.go:2: imports C: only native/* may"},
		{"gocv outside native", "bench/a.go", "gocv.io/x/gocv", "bench/a.go:2: imports gocv.io/x/gocv: only native/* may"},
		{"go-face outside native", "bench/a.go", "github.com/Kagami/go-face", "bench/a.go:2: imports github.com/Kagami/go-face: only native/* may"},
		{"third party in the vocabulary", "job/a.go", "github.com/x/y", "job/a.go:2: imports github.com/x/y: job imports the standard library only"},
		{"unknown folder", "server/extra/a.go", "fmt", "server/extra/a.go:1: the folder server/extra is not in the floor plan; give it a floor there"},
		{"unknown import", "server/a.go", "spillway/server/extra", "server/a.go:2: imports server/extra: it is not in the floor plan"},
		{
			"both sides", "client/a.go", "spillway/server/policy\"; import \"spillway/computenode/worker",
			"client/a.go:1: sees server and computenode: only bench/sim, bench/scenario and test may",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			source := "package p\nimport \"" + row.imports + "\"\n"
			require.Equal(t, []string{row.want}, brokenImports(t, fstest.MapFS{row.file: {Data: []byte(source)}}))
			require.Empty(t, brokenImports(t, fstest.MapFS{strings.Replace(row.file, ".go", "_test.go", 1): {Data: []byte(source)}}),
				"tests may import what they need")
		})
	}
}

// brokenImports names every import that the floor plan forbids, with file, line
// and rule. It reads all files, whatever their build tags.
func brokenImports(t *testing.T, tree fs.FS) []string {
	var broken []string
	seen := map[string]bool{} // "FOLDER SIDE": which side of the program a folder imports
	for _, name := range goFiles(t, tree) {
		folder := path.Dir(name)
		_, known := floors[folder]
		switch {
		case strings.HasSuffix(name, "_test.go"):
			continue
		case !known:
			broken = append(broken, fmt.Sprintf("%s:1: the folder %s is not in the floor plan; give it a floor there", name, folder))
			continue
		}
		source, err := fs.ReadFile(tree, name)
		require.NoError(t, err)
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, source, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			inside, own := strings.CutPrefix(imported, module+"/")
			if why := forbidden(folder, inside, own); why != "" {
				broken = append(broken, fmt.Sprintf("%s:%d: imports %s: %s", name, set.Position(spec.Pos()).Line, inside, why))
			}
			if side, _, _ := strings.Cut(inside, "/"); own && (side == "server" || side == "computenode") {
				seen[folder+" "+side] = true
			}
		}
		if seen[folder+" server"] && seen[folder+" computenode"] && folder != "bench/sim" && folder != "bench/scenario" && folder != "test" {
			broken = append(broken, name+":1: sees server and computenode: only bench/sim, bench/scenario and test may")
		}
	}
	return broken
}

// forbidden says which rule keeps folder from importing a package, or "". The
// package is one of this module where own is true.
func forbidden(folder, imported string, own bool) string {
	if !own {
		first, _, _ := strings.Cut(imported, "/")
		switch {
		case (imported == "C" || strings.HasPrefix(imported, "gocv.io/") || imported == "github.com/Kagami/go-face") && !strings.HasPrefix(folder, "native/"):
			return "only native/* may"
		case strings.Contains(first, ".") && (folder == "job" || folder == "confine"):
			return folder + " imports the standard library only"
		}
		return ""
	}
	from, _, _ := strings.Cut(folder, "/")
	to, _, _ := strings.Cut(imported, "/")
	floor, known := floors[imported]
	switch {
	case !known:
		return "it is not in the floor plan"
	case imported == "gen-go/echo":
		return "only tests and bench/rpc may"
	case to == "gen-go" && folder != "rpc":
		return "only rpc may"
	case from == "server" && to == "computenode" || from == "computenode" && to == "server":
		return "server and computenode never import each other"
	case floor >= floors[folder]:
		return fmt.Sprintf("floor %d may not import floor %d", floors[folder], floor)
	}
	return ""
}
