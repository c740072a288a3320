//go:build gocv_specific_modules && gocv_photo

package operation

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/opencv"
)

// as is a picture in the format of an extension.
func as(t *testing.T, ext string) []byte {
	t.Helper()
	im, err := opencv.Decode(aPNG(t))
	require.NoError(t, err)
	defer im.Close()
	data, err := opencv.Encode(im, ext)
	require.NoError(t, err)
	defer data.Close()
	return bytes.Clone(data.Bytes())
}

// sizeOf is the size of an output.
func (p *place) sizeOf(name string) size {
	p.Helper()
	data, err := os.ReadFile(p.out(name))
	require.NoError(p, err)
	s, err := measure(data)
	require.NoError(p, err)
	return s
}

func TestMeasure_AgreesWithWhatOpenCVWrites(t *testing.T) {
	for _, ext := range []string{".jpg", ".png", ".webp", ".bmp", ".tif"} {
		s, err := measure(as(t, ext))
		require.NoError(t, err, ext)
		require.Equal(t, size{40, 30}, s, ext)
	}
}

func TestExecute_DamagedPictureIsDataLossInEveryFormat(t *testing.T) {
	p := newPlace(t)
	for _, ext := range []string{".jpg", ".png", ".webp", ".bmp", ".tif"} {
		whole := as(t, ext)
		for _, keep := range []int{40, len(whole) / 2, len(whole) - 14} {
			name := fmt.Sprintf("cut%d%s", keep, ext)
			p.put(name, whole[:keep])
			_, err := p.run(name, job.Operation{})
			require.Equal(t, job.DataLoss, job.CodeOf(err), "%s: %v", name, err)
			require.NotEmpty(t, job.HintOf(err))
		}
	}
	damaged := aPNG(t)
	damaged[len(damaged)/2] ^= 0xff // within the compressed rows
	p.put("bits.png", damaged)
	_, err := p.run("bits.png", job.Operation{})
	fails(t, err, job.DataLoss, "decode input_dir/bits.png", "damaged", "save it again")
	p.put("empty.png", pngHeader(8, 8))
	_, err = p.run("empty.png", job.Operation{})
	fails(t, err, job.DataLoss, "decode input_dir/empty.png", "damaged", "save it again")
	require.Empty(t, p.left())
}

func TestExecute_OutputTooLargeForItsFormatSaysSo(t *testing.T) {
	p := newPlace(t)
	p.put("a.webp", as(t, ".webp"))
	p.put("a.jpg", as(t, ".jpg"))
	for name, params := range map[string]map[string]string{
		"a.webp": {"width": "16384", "height": "1"},
		"a.jpg":  {"width": "3", "height": "65500"}, // the most that there can be
	} {
		_, err := p.run(name, job.Operation{Name: "resize", Params: params})
		if name == "a.jpg" {
			require.NoError(t, err)
			continue
		}
		fails(t, err, job.InvalidArgument, "write output_dir/a.webp", "do not fit a .webp", "16383 pixels a side")
	}
	_, err := p.run("a.webp", job.Operation{Name: "resize", Params: map[string]string{"width": "16383", "height": "1"}})
	require.NoError(t, err)
}

func TestExecute_FullDiskLeavesNoHalfOfAFile(t *testing.T) {
	p := newPlace(t)
	p.mount(0) // 64 KiB
	p.put("a.bmp", as(t, ".bmp"))
	_, err := p.run("a.bmp", job.Operation{Name: "resize", Params: map[string]string{"width": "300"}})
	fails(t, err, job.Unavailable, "write output_dir/a.bmp", "disk is full", "another node may have room")
	require.Empty(t, p.left())
	_, err = p.run("a.bmp", job.Operation{})
	require.NoError(t, err)
}

func TestExecute_LongestUnicodeNameIsNoTrouble(t *testing.T) {
	p := newPlace(t)
	name := strings.Repeat("🖼", 62) + "abc" + ".png" // 255 bytes
	p.put(name, aPNG(t))
	_, err := p.run(name, job.Operation{})
	require.NoError(t, err)
	require.Equal(t, []string{name}, p.left())
}

func TestExecute_LinkWithinTheRootIsFollowed(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, os.WriteFile(p.base+"/elsewhere.png", aPNG(t), 0o644))
	require.NoError(t, os.Symlink("../elsewhere.png", p.in("a.png")))
	_, err := p.run("a.png", job.Operation{})
	require.NoError(t, err)
}

func TestExecute_OutputHasNoNameBeforeCommit(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	reply, err := p.exec.Execute(t.Context(), p.request("a.png", job.Operation{}))
	require.NoError(t, err)
	require.Equal(t, []Output{{TempName("a.png", "token"), "a.png"}}, reply.Outputs)
	require.Equal(t, []string{reply.Outputs[0].Temp}, p.left())
	require.NoError(t, Discard(p.roots, p.base, job.Operation{}, "a.png", "token"))
	require.Empty(t, p.left())
}

// Requests share the executor's memory without seeing each other's pictures.
func TestExecute_ConcurrentRequestsDoNotMix(t *testing.T) {
	p := newPlace(t)
	const sizes, rounds, workers = 6, 8, 8
	for n := range sizes {
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, gradient(20+n, 30)))
		p.put(fmt.Sprintf("%d.png", n), b.Bytes())
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range sizes * rounds {
				name := fmt.Sprintf("%d.png", (n+w)%sizes)
				r := p.request(name, job.Operation{Name: "edges"})
				r.Token = fmt.Sprint(w)
				reply, err := p.exec.Execute(t.Context(), r)
				if err == nil {
					err = Commit(p.roots, p.base, reply.Outputs)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for n := range sizes {
		name := fmt.Sprintf("%d.png", n)
		require.Equal(t, size{int64(20 + n), 30}, p.sizeOf(name))
		first, err := os.ReadFile(p.out(name))
		require.NoError(t, err)
		_, err = p.run(name, job.Operation{})
		require.NoError(t, err)
		again, err := os.ReadFile(p.out(name))
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
	require.Len(t, p.left(), sizes)
}

func TestEdges_AreGreenOnHalfTheBrightness(t *testing.T) {
	p := newPlace(t)
	img := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		if i%64 >= 32 {
			img.Pix[i] = 201
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	p.put("a.png", b.Bytes())
	_, err := p.run("a.png", job.Operation{})
	require.NoError(t, err)
	data, err := os.ReadFile(p.out("a.png"))
	require.NoError(t, err)
	out, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	counts := map[[3]uint32]int{}
	for y := range 64 {
		for x := range 64 {
			r, g, b, _ := out.At(x, y).RGBA()
			counts[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	require.Len(t, counts, 3)
	require.GreaterOrEqual(t, counts[[3]uint32{0, 255, 0}], 60)
	require.Positive(t, counts[[3]uint32{0, 0, 0}])
	require.Positive(t, counts[[3]uint32{100, 100, 100}], "201 / 2 without the fraction")
}
