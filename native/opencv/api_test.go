package opencv

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if os.Getenv("OPENCV_TEST_STARVE") != "" {
		os.Exit(starve())
	}
	code := m.Run()
	if n := Live(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d native handles were not closed\n", n)
		code = 1
	}
	os.Exit(code)
}

// The two builds offer the same names with the same types.
func TestBuilds_ExportOneAPI(t *testing.T) {
	for _, faults := range [][]string{nil, {"faults"}} {
		with := exported(t, append([]string{"gocv_specific_modules", "gocv_photo"}, faults...)...)
		require.Equal(t, with, exported(t, faults...))
		require.Equal(t, with, exported(t, append([]string{"gocv_specific_modules"}, faults...)...))
		require.Greater(t, len(with), 25)
		require.Equal(t, faults != nil, slices.Contains(with, "func Abort()"))
	}
}

// exported lists the package's declarations in the build with these tags.
func exported(t *testing.T, tags ...string) []string {
	t.Helper()
	ctx := build.Default
	ctx.BuildTags, ctx.CgoEnabled = tags, true
	pkg, err := ctx.ImportDir(".", 0)
	require.NoError(t, err)
	var names []string
	set := token.NewFileSet()
	for _, file := range append(pkg.GoFiles, pkg.CgoFiles...) {
		tree, err := parser.ParseFile(set, file, nil, 0)
		require.NoError(t, err)
		ast.FileExports(tree)
		for _, decl := range tree.Decls {
			names = append(names, signatures(t, set, decl)...)
		}
	}
	slices.Sort(names)
	return names
}

// signatures are a declaration's exported names, without bodies and values.
func signatures(t *testing.T, set *token.FileSet, decl ast.Decl) []string {
	t.Helper()
	var out []string
	text := func(node any) {
		var b bytes.Buffer
		require.NoError(t, printer.Fprint(&b, set, node))
		out = append(out, b.String())
	}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		d.Body = nil
		text(d)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					out = append(out, d.Tok.String()+" "+name.Name)
				}
			case *ast.TypeSpec:
				fields := 0
				if record, ok := s.Type.(*ast.StructType); ok {
					fields = len(record.Fields.List)
				}
				out = append(out, fmt.Sprintf("type %s with %d fields", s.Name, fields))
			}
		}
	}
	return out
}

func TestError_IsMemoryOrSize(t *testing.T) {
	for _, row := range []struct {
		err            *Error
		memory, pixels bool
	}{
		{&Error{Code: -4, Text: "Failed to allocate 3 bytes"}, true, false},
		{&Error{Text: "OpenCV(4.6.0) error: (-4:Insufficient memory) in function 'x'"}, true, false},
		{&Error{Text: "std::bad_alloc"}, true, false},
		{&Error{Code: -215, Text: "pixels <= CV_IO_MAX_IMAGE_PIXELS"}, false, true},
		{&Error{Code: -215, Text: "ksize > 0"}, false, false},
	} {
		require.Equal(t, row.memory, errors.Is(row.err, ErrMemory), row.err)
		require.Equal(t, row.pixels, errors.Is(row.err, ErrTooLarge), row.err)
		require.NotErrorIs(t, row.err, ErrClosed)
		require.Contains(t, row.err.Error(), row.err.Text)
	}
}
