package spillway_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// maxLines bounds a file that people write.
const maxLines = 500

// emptyNames say nothing of what a package does.
var emptyNames = []string{"util", "utils", "common", "base", "helper", "helpers", "types", "lib", "pkg"}

func TestFiles_KeepTheHouseRules(t *testing.T) {
	require.Empty(t, brokenFiles(t, os.DirFS(".")))
}

func TestFiles_SeesEachBrokenRule(t *testing.T) {
	long := "package p\n" + strings.Repeat("\n", maxLines)
	sleep := "func TestX(t *testing.T) { time.Sleep(1) }\n"
	rows := []struct {
		name, file, source string
		want               []string
	}{
		{"too long", "job/a.go", long, []string{"job/a.go:501: a file has at most 500 lines"}},
		{"long, but generated", "gen-go/spillway/a.go", long, nil},
		{"empty name", "job/a.go", "package helpers", []string{"job/a.go:1: the package name helpers says nothing"}},
		{"empty name of a test package", "job/a_test.go", "package util_test", []string{"job/a_test.go:1: the package name util says nothing"}},
		{"init", "job/a.go", "package job\n\nfunc init() {}", []string{"job/a.go:3: func init: wire by hand, in main"}},
		{"a method named init", "job/a.go", "package job\ntype a int\nfunc (a) init() {}", nil},
		{"sleep in a test", "job/a_test.go", "package job\nimport \"time\"\n" + sleep, []string{"job/a_test.go:3: time.Sleep in a test: wait for the event, or use testing/synctest"}},
		{"sleep under another name", "job/a_test.go", "package job\nimport zz \"time\"\nvar _ = zz.Sleep", []string{"job/a_test.go:3: time.Sleep in a test: wait for the event, or use testing/synctest"}},
		{"sleep in a bubble", "job/a_test.go", "package job\nimport \"time\"\nimport \"testing/synctest\"\n" + sleep, nil},
		{"sleep in the program", "job/a.go", "package job\nimport \"time\"\n" + sleep, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, brokenFiles(t, fstest.MapFS{row.file: {Data: []byte(row.source)}}))
		})
	}
}

// brokenFiles names every file that breaks a rule, with line and rule.
func brokenFiles(t *testing.T, tree fs.FS) []string {
	var broken []string
	for _, name := range goFiles(t, tree) {
		if strings.HasPrefix(name, "gen-go/") {
			continue
		}
		source, err := fs.ReadFile(tree, name)
		require.NoError(t, err)
		if lines := bytes.Count(source, []byte("\n")); lines > maxLines {
			broken = append(broken, fmt.Sprintf("%s:%d: a file has at most %d lines", name, lines, maxLines))
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
		require.NoError(t, err)
		complain := func(node ast.Node, what string) {
			broken = append(broken, fmt.Sprintf("%s:%d: %s", name, set.Position(node.Pos()).Line, what))
		}
		if plain := strings.TrimSuffix(file.Name.Name, "_test"); slices.Contains(emptyNames, plain) {
			complain(file.Name, "the package name "+plain+" says nothing")
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				complain(f, "func init: wire by hand, in main")
			}
		}
		if strings.HasSuffix(name, "_test.go") && importName(file, "testing/synctest") == "" {
			for _, call := range uses(file, importName(file, "time"), "Sleep") {
				complain(call, "time.Sleep in a test: wait for the event, or use testing/synctest")
			}
		}
	}
	return broken
}

// uses finds each NAME.SELECTOR in a file.
func uses(file *ast.File, name, selector string) []ast.Node {
	var found []ast.Node
	for node := range ast.Preorder(file) {
		s, ok := node.(*ast.SelectorExpr)
		if !ok || s.Sel.Name != selector {
			continue
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// importName is the name that a file gives to an import, or "".
func importName(file *ast.File, imported string) string {
	for _, spec := range file.Imports {
		switch {
		case spec.Path.Value != `"`+imported+`"`:
		case spec.Name != nil:
			return spec.Name.Name
		default:
			return path.Base(imported)
		}
	}
	return ""
}

// goFiles lists the Go files of this module: none of a nested module, of a
// hidden folder, of test data, or of a folder that git ignores.
func goFiles(t *testing.T, tree fs.FS) []string {
	var names []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != ".":
			_, nested := fs.Stat(tree, path.Join(name, "go.mod"))
			base := path.Base(name)
			if nested == nil || base[0] == '.' || base == "testdata" || name == "data" || name == "bin" || name == "bench/out" {
				return fs.SkipDir
			}
		case strings.HasSuffix(name, ".go") && path.Dir(name) != ".":
			names = append(names, name)
		}
		return nil
	})
	require.NoError(t, err)
	return names
}
