package operation

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// putVideo makes an input with the ffmpeg program, and says what it holds.
func (p *place) putVideo(name, args string) *ffmpeg.Info {
	p.Helper()
	if programs().Check() != nil {
		p.Skip("FFmpeg is not installed")
	}
	out, err := exec.CommandContext(p.Context(), "ffmpeg", append(strings.Fields("-v error -nostdin -y "+args), p.in(name))...).CombinedOutput()
	require.NoError(p, err, string(out))
	if strings.Contains(name, "%") { // pictures
		return nil
	}
	return p.probe(p.in(name))
}

// probe is what a file holds.
func (p *place) probe(path string) *ffmpeg.Info {
	p.Helper()
	file, err := os.Open(path)
	require.NoError(p, err)
	defer file.Close()
	info, err := programs().Probe(p.Context(), file)
	require.NoError(p, err)
	return info
}

// part is frames from to to of a video, as the server plans them.
func part(name string, v *ffmpeg.Video, from, to int) job.Part {
	p := job.Part{File: name, Number: 1, Of: 2, From: v.Times[from], To: v.End, Count: int64(to - from), Note: v.Sketch()}
	if to < len(v.Times) {
		p.To = v.Times[to]
	}
	return p
}

var everyFrame = job.Operation{Name: "video:edges"}

func needOpenCV(t *testing.T) {
	t.Helper()
	if !opencv.Available {
		t.Skip("built without OpenCV")
	}
}

func TestVideo_APartBecomesASegmentOfItsFrames(t *testing.T) {
	needOpenCV(t)
	for name, args := range map[string]string{
		"a.mp4": "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -c:v libx264 -pix_fmt yuv420p",
		"b.ts":  "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -c:v libx264 -pix_fmt yuv420p", // which has no index
		"c.avi": "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -c:v mpeg4 -bf 2",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			v := p.putVideo(name, args).Video
			task := part(name, v, 30, 55)
			reply, err := p.run(task.Name(), everyFrame)
			require.NoError(t, err)
			require.Equal(t, []string{task.Segment("token")}, p.left())
			require.Len(t, p.probe(p.out(p.left()[0])).Video.Times, 25)
			require.Positive(t, reply.OutBytes)
		})
	}
}

func TestVideo_AWholeFileKeepsItsSound(t *testing.T) {
	needOpenCV(t)
	p := newPlace(t)
	source := p.putVideo("a.mkv", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -pix_fmt yuv420p -c:a libvorbis")
	_, err := p.run("a.mkv", job.Operation{Name: "video:resize", Params: map[string]string{"width": "33", "height": "21"}})
	require.NoError(t, err)
	require.Equal(t, []string{"a.mp4"}, p.left())
	made := p.probe(p.out("a.mp4"))
	require.Len(t, made.Video.Times, len(source.Video.Times))
	require.Equal(t, source.Video.Rate, made.Video.Rate)
	require.Equal(t, [2]int{34, 22}, [2]int{made.Video.Width, made.Video.Height})
	require.Equal(t, "aac", made.Audio[0].Codec, "browsers play no Vorbis in MP4")
}

func TestVideo_APartThatTheFileDoesNotHoldIsNamed(t *testing.T) {
	needOpenCV(t)
	p := newPlace(t)
	v := p.putVideo("a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -pix_fmt yuv420p").Video
	task := part("a.mp4", v, 10, 20)
	task.Count = 12
	_, err := p.run(task.Name(), everyFrame)
	require.Equal(t, job.DataLoss, job.CodeOf(err))
	require.ErrorContains(t, err, "10 of 12 frames can be decoded")
	require.ErrorContains(t, err, "input_dir/a.mp4")
	require.Empty(t, p.left())
}

func TestVideo_CancelledLeavesNothing(t *testing.T) {
	needOpenCV(t)
	p := newPlace(t)
	v := p.putVideo("a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -pix_fmt yuv420p").Video
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.exec.Execute(ctx, p.request(part("a.mp4", v, 0, 50).Name(), everyFrame))
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
	require.Empty(t, p.left())
}

func TestOutputs_OnlySomeOperationsWorkOnParts(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	_, err := p.run(job.Part{File: "a.png", Number: 1, Of: 1, Note: "-"}.Name(), job.Operation{Name: "edges"})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.ErrorContains(t, err, "whole files only")
	_, err = p.run("../a.png/part 1 of 1 [0,0) 0 -", everyFrame)
	require.Error(t, err)
}

func TestExtractFrames_APartHasItsNumbers(t *testing.T) {
	p := newPlace(t)
	p.putVideo("a.b.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -pix_fmt yuv420p")
	task := job.Part{File: "a.b.mp4", Number: 1, Of: 1, From: 8, To: 10, Count: 2, Note: "-"}
	_, err := p.run(task.Name(), job.Operation{Name: job.ExtractFrames, Params: map[string]string{"rate": "5"}})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a.b.8.png", "a.b.9.png"}, p.left())
	_, err = p.run("a.b.mp4", job.Operation{Name: job.ExtractFrames})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err), "without a plan there is nothing in the range")
}

func TestMetadata_SoundAndDamageAreTold(t *testing.T) {
	p := newPlace(t)
	p.putVideo("s.mp3", "-f lavfi -i sine=d=2 -metadata title=Ode")
	_, err := p.run("s.mp3", job.Operation{Name: "metadata"})
	require.NoError(t, err)
	text, err := os.ReadFile(p.out("s.mp3.json"))
	require.NoError(t, err)
	require.Contains(t, string(text), `"sample_rate": 44100`)
	require.Contains(t, string(text), `"title": "Ode"`)
	require.NotContains(t, string(text), `"video"`)
}

func TestCreateVideo_PicturesInTheOrderOfTheirNumbers(t *testing.T) {
	needOpenCV(t)
	p := newPlace(t)
	p.putVideo("clip.%d.png", "-f lavfi -i testsrc2=s=64x48:r=25:d=0.48")
	task := job.Part{File: "clip.1.png", Number: 1, Of: 1, From: 1, To: 13, Count: 12, Note: "-"}
	_, err := p.run(task.Name(), job.Operation{Name: job.CreateVideo, Params: map[string]string{"rate": "12.5"}})
	require.NoError(t, err)
	require.Equal(t, []string{task.Segment("token")}, p.left())
	made := p.probe(p.out(task.Segment("token")))
	require.Len(t, made.Video.Times, 12)
	require.Equal(t, "25/2", made.Video.Rate.String())

	task.Count = 13
	_, err = p.run(task.Name(), job.Operation{Name: job.CreateVideo})
	require.Equal(t, job.Unimplemented, job.CodeOf(err))
	require.ErrorContains(t, err, "sees 12 of its 13 pictures")
	p.put("clip.5.png", aPNG(t))
	later := job.Part{File: "clip.1.png", Number: 2, Of: 3, From: 5, To: 6, Count: 1, Note: "-"}
	_, err = p.run(later.Name(), job.Operation{Name: job.CreateVideo})
	require.ErrorContains(t, err, "clip.5.png: it has", "the first picture of all has the size of the video")
	task.Count = 12
	_, err = p.run(task.Name(), job.Operation{Name: job.CreateVideo})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.ErrorContains(t, err, "clip.5.png")
	_, err = p.run("clip.5.png", job.Operation{Name: job.CreateVideo})
	require.ErrorContains(t, err, "has no number")
}
