package operation

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/opencv"
)

func TestRegistry_EveryOperationIsFoundByItsName(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range All() {
		info := op.Info()
		require.False(t, seen[info.Name], info.Name)
		seen[info.Name] = true
		require.NotEmpty(t, info.Summary)
		found, args, err := Find(job.Operation{Name: info.Name})
		require.NoError(t, err)
		require.Equal(t, info.Name, found.Info().Name)
		require.Len(t, args, len(info.Params))
	}
	for name := range strings.FieldsSeq("edges grayscale blur resize rotate threshold sharpen denoise none") {
		require.True(t, seen[name], name)
	}
	found, _, err := Find(job.Operation{})
	require.NoError(t, err)
	require.Equal(t, job.DefaultOperation, found.Info().Name)
	require.Equal(t, job.DefaultOperation, Infos()[0].Name)
}

func TestInfos_FramesOfVideosHaveNoFilesNames(t *testing.T) {
	for _, info := range Infos() {
		if strings.HasPrefix(info.Name, job.VideoPrefix) {
			require.NotContains(t, info.Summary, "NAME", info.Name)
		}
	}
}

// Every parameter takes its default and both bounds, and nothing beyond them.
func TestParams_HoldAtTheirBounds(t *testing.T) {
	for _, info := range Infos() {
		for _, param := range info.Params {
			good, bad := []string{param.Default}, []string{"", "many", "NaN", "1e400", "1,5"}
			number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
			switch param.Kind {
			case job.NameParam:
				good, bad = []string{"known", "two words", "a.b"}, []string{"", ".", "..", ".hidden", "a/b", "/a", `a\b`, "a\x00b", "a\nb", strings.Repeat("x", 256)}
			case job.ChoiceParam:
				good = append(good, param.Choices...)
			case job.IntParam:
				good = append(good, number(param.Min), number(param.Max))
				bad = append(bad, number(param.Min-1), number(param.Max+1), "1.5", "99999999999999999999")
				if param.Odd {
					bad = append(bad, number(param.Min+1))
				}
			default:
				good = append(good, number(param.Min), number(param.Max))
				bad = append(bad, number(math.Nextafter(param.Min, math.Inf(-1))), number(math.Nextafter(param.Max, 1e9)), "+Inf", "-Inf")
			}
			find := func(value string) error {
				_, _, err := Find(job.Operation{Name: info.Name, Params: map[string]string{param.Name: value}})
				return err
			}
			for _, value := range good {
				require.NoError(t, find(value), "%s:%s=%s", info.Name, param.Name, value)
			}
			for _, value := range bad {
				err := find(value)
				require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%s:%s=%s", info.Name, param.Name, value)
				require.Contains(t, job.HintOf(err), param.Name+" takes")
			}
		}
		_, _, err := Find(job.Operation{Name: info.Name, Params: map[string]string{"colour": "red"}})
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	}
}

func TestResize_SizeKeepsTheShapeAndTheBound(t *testing.T) {
	for _, row := range []struct {
		w, h     int
		params   string
		toW, toH int
	}{
		{400, 300, "", 200, 150},
		{400, 300, "width=100", 100, 75},
		{400, 300, "height=100", 133, 100},
		{400, 300, "width=7,height=9", 7, 9},
		{400, 300, "width=10,scale=4", 10, 8},
		{400, 300, "scale=0.001", 1, 1},
		{1000, 1, "width=10", 10, 1},
		{10000, 10000, "scale=1", 10000, 10000},
		{10000, 10000, "scale=1.0001", 0, 0},
		{1, 65500, "width=65500", 0, 0},
		{10000, 10000, "scale=32", 0, 0},
	} {
		t.Run(fmt.Sprintf("%d × %d %s", row.w, row.h, row.params), func(t *testing.T) {
			op, err := job.ParseOperation(strings.TrimSuffix("resize:"+row.params, ":"))
			require.NoError(t, err)
			_, args, err := Find(op)
			require.NoError(t, err)
			w, h, err := newSize(row.w, row.h, args)
			require.Equal(t, row.toW, w)
			require.Equal(t, row.toH, h)
			if row.toW == 0 {
				fails(t, err, job.InvalidArgument, "operation resize", "more than the 100000000", "smaller")
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestExecute_BuildWithoutOpenCVSaysHowToGetOne(t *testing.T) {
	if opencv.Available {
		return // the other build's promise
	}
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	_, err := p.run("a.png", job.Operation{})
	fails(t, err, job.Unimplemented, "run edges on input_dir/a.png", "built without OpenCV", "make build")
}
