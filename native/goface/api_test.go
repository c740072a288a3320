package goface

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if n := Live(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d recognizers were not closed\n", n)
		code = 1
	}
	os.Exit(code)
}

// The builds offer the same names with the same types.
func TestBuilds_ExportOneAPI(t *testing.T) {
	with := exported(t, true, "goface")
	require.Greater(t, len(with), 10)
	require.Equal(t, with, exported(t, true))
	require.Equal(t, with, exported(t, false, "goface"), "without cgo")
}

// exported lists the package's functions and types in the build with these tags.
func exported(t *testing.T, cgo bool, tags ...string) []string {
	t.Helper()
	ctx := build.Default
	ctx.BuildTags, ctx.CgoEnabled = tags, cgo
	pkg, err := ctx.ImportDir(".", 0)
	require.NoError(t, err)
	var names []string
	set := token.NewFileSet()
	for _, file := range append(pkg.GoFiles, pkg.CgoFiles...) {
		tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.FileExports(tree)
		for _, decl := range tree.Decls {
			names = append(names, declared(t, decl)...)
		}
	}
	slices.Sort(names)
	return names
}

// declared are the functions, with their types, and the names of a declaration.
func declared(t *testing.T, decl ast.Decl) (names []string) {
	t.Helper()
	switch d := decl.(type) {
	case *ast.FuncDecl:
		d.Body, d.Doc = nil, nil
		var b strings.Builder
		require.NoError(t, printer.Fprint(&b, token.NewFileSet(), d))
		return []string{b.String()}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, "type "+s.Name.Name)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names = append(names, d.Tok.String()+" "+name.Name)
				}
			}
		}
	}
	return names
}

func TestStub_EveryFunctionSaysWhatIsMissing(t *testing.T) {
	if Available {
		t.Skip("the other build's promise")
	}
	r, err := Open("/models")
	require.NoError(t, r.Close())
	_, errRecognize := r.Recognize(nil)
	for _, err := range []error{err, errRecognize} {
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "make build-goface")
	}
}

func TestFiles_AreThoseThatGoFaceOpens(t *testing.T) {
	require.Len(t, Files(), 3)
	for _, name := range Files() {
		require.True(t, strings.HasSuffix(name, ".dat"))
	}
}
