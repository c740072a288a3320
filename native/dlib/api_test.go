package dlib

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"image"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if n := Live(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d native handles were not closed\n", n)
		code = 1
	}
	os.Exit(code)
}

// The builds offer the same names with the same types.
func TestBuilds_ExportOneAPI(t *testing.T) {
	with := exported(t, true, "dlib")
	require.Greater(t, len(with), 20)
	require.Equal(t, with, exported(t, true))
	require.Equal(t, with, exported(t, true, "dlib", "dlib_avx2"))
	require.Equal(t, with, exported(t, false, "dlib"), "without cgo")
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
		tree, err := parser.ParseFile(set, file, nil, 0)
		require.NoError(t, err)
		ast.FileExports(tree)
		for _, decl := range tree.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				d.Body = nil
				var b bytes.Buffer
				require.NoError(t, printer.Fprint(&b, set, d))
				names = append(names, b.String())
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						names = append(names, "type "+s.Name.Name)
					}
					if s, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range s.Names {
							names = append(names, d.Tok.String()+" "+name.Name)
						}
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestError_IsMemoryOrModel(t *testing.T) {
	for _, row := range []struct {
		code          int
		memory, model bool
	}{{0, false, false}, {1, true, false}, {2, false, true}} {
		err := &Error{Code: row.code, Text: "why"}
		require.Equal(t, row.memory, errors.Is(err, ErrMemory))
		require.Equal(t, row.model, errors.Is(err, ErrModel))
		require.NotErrorIs(t, err, ErrClosed)
		require.ErrorContains(t, err, "dlib: why")
	}
}

func TestStub_EveryFunctionSaysWhatIsMissing(t *testing.T) {
	if Available {
		t.Skip("the other build's promise")
	}
	require.Empty(t, Instructions())
	p, err := Open("model.dat")
	require.NoError(t, p.Close())
	_, errLandmarks := p.Landmarks(Picture{}, image.Rect(0, 0, 1, 1))
	d, errNew := NewDetector()
	require.NoError(t, d.Close())
	_, errDetect := d.Detect(Picture{}, Search{})
	for _, err := range []error{err, errLandmarks, errNew, errDetect} {
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "built without")
	}
}
