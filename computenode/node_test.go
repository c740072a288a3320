package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/opencv"
)

func TestNode_ChildrenMakeTheSamePicturesAsThisProcess(t *testing.T) {
	if opencv.Version() == "" {
		t.Skip("this build has no OpenCV; set the tags that the Makefile sets")
	}
	base := t.TempDir()
	writePictures(t, base, 2)
	outputs := map[string][]byte{}
	for _, isolate := range []string{"off", "on"} {
		n := startNode(t, base, isolate)
		batch(t, n, base, 2)
		for _, name := range []string{"0.jpg", "1.jpg"} {
			path := filepath.Join(base, job.OutputDir, name)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			if want, ok := outputs[name]; ok {
				require.Equal(t, want, data)
			}
			outputs[name] = data
		}
		rest, err := os.ReadDir(filepath.Join(base, job.OutputDir))
		require.NoError(t, err)
		require.Empty(t, rest, "no temporary file is left")
	}
}

func TestNode_BuildWithoutOpenCVSaysSo(t *testing.T) {
	if opencv.Version() != "" {
		t.Skip("this build has OpenCV")
	}
	base := t.TempDir()
	writePictures(t, base, 1)
	n := startNode(t, base, "on")
	_, err := n.worker.Execute(t.Context(), job.Task{Base: base, Name: "0.jpg"})
	require.Equal(t, job.Unimplemented, job.CodeOf(err))
	require.NotEmpty(t, job.HintOf(err))
}

func TestNode_FolderOutsideItsRootsIsRefused(t *testing.T) {
	n := startNode(t, t.TempDir(), "on")
	_, err := n.worker.Execute(t.Context(), job.Task{Base: "/etc", Name: "passwd"})
	require.Equal(t, job.Unavailable, job.CodeOf(err))
}

func TestNode_OperationThatTouchesNoFileIsDoneWhereverItsFolderIs(t *testing.T) {
	n := startNode(t, t.TempDir(), "on")
	_, err := n.worker.Execute(t.Context(), job.Task{Base: "/elsewhere", Name: "a.jpg", Operation: job.Operation{Name: job.NoOperation}})
	require.NoError(t, err)
}

func TestNode_OperationsWithoutNativeCodeNeedNoChild(t *testing.T) {
	r := newRouter(nil, nil)
	for name := range r.tame {
		// FFmpeg's programs are processes of their own already.
		require.Contains(t, []string{"none", "metadata", "extract_frames", "stems", "karaoke"}, name, "it runs no native code")
	}
}
