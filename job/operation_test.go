package job_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestParseOperation_ReadsNameAndParameters(t *testing.T) {
	rows := []struct {
		name, text string
		want       job.Operation
	}{
		{"a name alone", "edges", job.Operation{Name: "edges"}},
		{"one parameter", "blur:kernel=7", job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}}},
		{"two parameters", "resize:width=10,height=20", job.Operation{Name: "resize", Params: map[string]string{"width": "10", "height": "20"}}},
		{"spaces around", " blur : kernel = 7 ", job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}}},
		{"equals sign in a value", "x:a=b=c", job.Operation{Name: "x", Params: map[string]string{"a": "b=c"}}},
		{"on every frame", "video:edges", job.Operation{Name: "video:edges"}},
		{"on every frame, with a parameter", "video:blur:kernel=7", job.Operation{Name: "video:blur", Params: map[string]string{"kernel": "7"}}},
		{"colon in a value", "x:a=b:c", job.Operation{Name: "x", Params: map[string]string{"a": "b:c"}}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := job.ParseOperation(row.text)
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

func TestParseOperation_SaysWhatIsWrong(t *testing.T) {
	rows := []struct{ name, text, want string }{
		{"empty", "", `operation "": it has no name`},
		{"no name", ":kernel=7", `operation ":kernel=7": it has no name`},
		{"nothing after the colon", "blur:", `operation "blur:": "" is not key=value`},
		{"no value", "blur:kernel", `operation "blur:kernel": "kernel" is not key=value`},
		{"empty value", "blur:kernel=", `operation "blur:kernel=": "kernel=" is not key=value`},
		{"empty key", "blur:=7", `operation "blur:=7": "=7" is not key=value`},
		{"trailing comma", "blur:kernel=7,", `operation "blur:kernel=7,": "" is not key=value`},
		{"given twice", "blur:kernel=7,kernel=9", `operation "blur:kernel=7,kernel=9": "kernel" is given twice`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := job.ParseOperation(row.text)
			require.EqualError(t, err, row.want)
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.Contains(t, job.HintOf(err), "blur:kernel=7")
		})
	}
}

func TestParseOperation_NeverRepeatsAGiantInput(t *testing.T) {
	_, err := job.ParseOperation("x:" + strings.Repeat("y", 1<<20))
	require.Less(t, len(job.Describe(err)), 500)
}

func FuzzParseOperation(f *testing.F) {
	for _, seed := range []string{"edges", "blur:kernel=7", " a : b = c , d = e=f:g ", "x:,", ":", "=", "a:b=\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		op, err := job.ParseOperation(text)
		if err != nil {
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.Less(t, len(err.Error()), 2000)
			return
		}
		again, err := job.ParseOperation(op.String())
		require.NoError(t, err, "String gives what ParseOperation reads")
		require.True(t, op.Equal(again), "%v and %v", op, again)
		require.Equal(t, op.String(), again.String())
	})
}

func TestOperation_EqualSeesNoDifferenceBetweenNilAndEmpty(t *testing.T) {
	a, b := job.Operation{Name: "blur"}, job.Operation{Name: "blur", Params: map[string]string{}}
	require.True(t, a.Equal(b))
	b.Params["kernel"] = "3"
	require.False(t, a.Equal(b))
	require.False(t, a.Equal(job.Operation{Name: "edges"}))
}

func TestOperation_StringSortsItsKeys(t *testing.T) {
	op := job.Operation{Name: "x", Params: map[string]string{"c": "3", "a": "1", "b": "2"}}
	require.Equal(t, "x:a=1,b=2,c=3", op.String())
}

// info has a parameter of each kind.
var info = job.OperationInfo{Name: "demo", Params: []job.ParamInfo{
	{Name: "kernel", Kind: job.IntParam, Default: "3", Min: 1, Max: 31, Odd: true},
	{Name: "width", Kind: job.IntParam, Default: "10", Min: -5, Max: 1e9},
	{Name: "angle", Kind: job.FloatParam, Default: "0.5", Min: -360, Max: 360},
	{Name: "mode", Kind: job.ChoiceParam, Default: "otsu", Choices: []string{"otsu", "fixed"}},
}}

func TestCheck_FillsTheDefaultsIn(t *testing.T) {
	args, err := info.Check(job.Operation{Name: "demo"})
	require.NoError(t, err)
	require.Equal(t, job.Args{"kernel": "3", "width": "10", "angle": "0.5", "mode": "otsu"}, args)
	require.Equal(t, 3, args.Int("kernel"))
	require.InDelta(t, 0.5, args.Float("angle"), 0)
}

func TestCheck_AcceptsItsBoundsAndMakesValuesCanonical(t *testing.T) {
	rows := []struct{ name, param, value, want string }{
		{"least int", "kernel", "1", "1"},
		{"greatest int", "kernel", "31", "31"},
		{"sign and zeros", "kernel", "+007", "7"},
		{"negative int", "width", "-5", "-5"},
		{"least float", "angle", "-360", "-360"},
		{"greatest float", "angle", "3.6e2", "360"},
		{"float with zeros", "angle", "1.500", "1.5"},
		{"choice", "mode", "fixed", "fixed"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			args, err := info.Check(job.Operation{Name: "demo", Params: map[string]string{row.param: row.value}})
			require.NoError(t, err)
			require.Equal(t, row.want, args[row.param])
			require.Len(t, args, len(info.Params), "none is missing")
		})
	}
}

func TestCheck_NamesTheParameterAndWhatItAccepts(t *testing.T) {
	oddHint := "kernel takes an odd whole number from 1 to 31 (default 3)"
	angleHint := "angle takes a number from -360 to 360 (default 0.5)"
	rows := []struct{ name, param, value, want, hint string }{
		{"below", "kernel", "0", "kernel: 0 is out of range", oddHint},
		{"above", "kernel", "33", "kernel: 33 is out of range", oddHint},
		{"even", "kernel", "4", "kernel: 4 is even", oddHint},
		{"not an int", "kernel", "3.0", `kernel: "3.0" is not a whole number`, oddHint},
		{"int too large for any machine", "width", "99999999999999999999", `width: "99999999999999999999" is not a whole number`, "width takes a whole number from -5 to 1e+09 (default 10)"},
		{"NaN", "angle", "NaN", `angle: "NaN" is not a number`, angleHint},
		{"infinite", "angle", "Inf", "angle: +Inf is out of range", angleHint},
		{"just above", "angle", "360.0001", "angle: 360.0001 is out of range", angleHint},
		{"words", "angle", "abc", `angle: "abc" is not a number`, angleHint},
		{"empty", "angle", "", `angle: "" is not a number`, angleHint},
		{"no such choice", "mode", "Otsu", `mode: "Otsu" is not one of its values`, "mode takes otsu, fixed (default otsu)"},
		{"no such parameter", "size", "1", `it has no parameter "size"`, "demo takes kernel, width, angle, mode"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			args, err := info.Check(job.Operation{Name: "demo", Params: map[string]string{row.param: row.value}})
			require.Nil(t, args)
			require.EqualError(t, err, "operation demo: "+row.want)
			require.Equal(t, row.hint, job.HintOf(err))
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
		})
	}
	_, err := job.OperationInfo{Name: "none"}.Check(job.Operation{Name: "none", Params: map[string]string{"a": "b"}})
	require.Equal(t, "none takes no parameters", job.HintOf(err))
}

func FuzzCheck_NeverLetsANumberOutOfItsBounds(f *testing.F) {
	for _, seed := range []string{"0", "-1", "NaN", "Inf", "0x1p-2", "1e400", "９"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range []string{"kernel", "angle"} {
			args, err := info.Check(job.Operation{Name: "demo", Params: map[string]string{name: value}})
			if err != nil {
				require.True(t, utf8.ValidString(err.Error()))
				continue
			}
			n := args.Float(name)
			require.False(t, math.IsNaN(n))
			require.GreaterOrEqual(t, n, -360.0)
			require.LessOrEqual(t, n, 360.0)
			twice, err := info.Check(job.Operation{Name: "demo", Params: args})
			require.NoError(t, err, "checked arguments pass again")
			require.Equal(t, args, twice)
		}
	})
}

func TestFindOperation_NamesWhatThereIs(t *testing.T) {
	offered := []job.OperationInfo{{Name: "blur"}, {Name: "edges"}}
	found, err := job.FindOperation(offered, job.Operation{Name: "edges"})
	require.NoError(t, err)
	require.Equal(t, "edges", found.Name)

	_, err = job.FindOperation(offered, job.Operation{Name: "sepia"})
	require.Equal(t, `operation "sepia": no such operation; use one of blur, edges`, job.Describe(err))

	offered = append(offered, job.OperationInfo{Name: "video:blur"}, job.OperationInfo{Name: "video:edges"})
	_, err = job.FindOperation(offered, job.Operation{Name: "sepia"})
	require.Equal(t, `operation "sepia": no such operation; use one of blur, edges, video:NAME`, job.Describe(err))
	_, err = job.FindOperation(offered, job.Operation{Name: "video:stems"})
	require.Equal(t, `operation "video:stems": no such operation; use one of video:blur, video:edges`, job.Describe(err))
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}
