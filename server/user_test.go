package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// said is what server user prints, where stdin has a password.
func said(t *testing.T, password string, args ...string) (string, error) {
	t.Helper()
	in, out, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	_, err = out.WriteString(password + "\n")
	require.NoError(t, err)
	require.NoError(t, out.Close())
	var stdout bytes.Buffer
	err = users(t.Context(), args, in, &stdout)
	return stdout.String(), err
}

func TestUser_AreAddedChangedListedAndRemoved(t *testing.T) {
	state := "--state=" + filepath.Join(t.TempDir(), "state")
	text, err := said(t, "a long password", "add", "ada", "--role", "admin", state)
	require.NoError(t, err)
	require.Contains(t, text, "ada may log in, as admin")
	require.Contains(t, text, "is new", "no server has run there")
	text, err = said(t, "a long password", "add", "grace", state)
	require.NoError(t, err)
	require.Equal(t, "grace may log in, as viewer\n", text)
	_, err = said(t, "", "set", "grace", "--role", "operator", state)
	require.NoError(t, err)
	text, err = said(t, "", "list", state)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^ada +admin .*\n^grace +operator `, text)
	_, err = said(t, "", "remove", "grace", state)
	require.NoError(t, err)
	text, err = said(t, "", "list", state)
	require.NoError(t, err)
	require.NotContains(t, text, "grace")
}

func TestUser_WhatCannotBeIsToldAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	kept := "--state=" + filepath.Join(dir, "state")
	_, err := said(t, "a long password", "add", "ada", "--role", "admin", kept)
	require.NoError(t, err)
	for _, row := range []struct {
		why      string
		password string
		args     []string
		code     job.Code
	}{
		{"the last admin stays", "", []string{"remove", "ada", kept}, job.FailedPrecondition},
		{"the last admin stays one", "", []string{"set", "ada", "--role", "viewer", kept}, job.FailedPrecondition},
		{"there is one", "a long password", []string{"add", "ada", kept}, job.AlreadyExists},
		{"a short password", "short", []string{"add", "grace", kept}, job.InvalidArgument},
		{"no name", "a long password", []string{"add", "../grace", kept}, job.InvalidArgument},
		{"no role", "", []string{"set", "ada", "--role", "king", kept}, job.InvalidArgument},
		{"nobody", "", []string{"remove", "grace", kept}, job.NotFound},
		{"nothing to change", "", []string{"set", "ada", kept}, job.InvalidArgument},
		{"no such command", "", []string{"rename", "ada", kept}, job.InvalidArgument},
		{"another folder", "", []string{"list", "--state=" + filepath.Join(dir, "other")}, job.NotFound},
		{"no file keeps it", "", []string{"list", "--db=memory"}, job.InvalidArgument},
	} {
		_, err := said(t, row.password, row.args...)
		require.Equal(t, row.code, job.CodeOf(err), "%s: %v", row.why, err)
		require.NotEmpty(t, job.HintOf(err), row.why)
	}
	require.NoDirExists(t, filepath.Join(dir, "other"))
	text, err := said(t, "", "list", kept)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^user.*\nada +admin .*\n\z`, text)
}
