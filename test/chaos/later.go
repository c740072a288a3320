package main

// What the programs under test can do.
const (
	// haveWorkspaces: a node that cannot see a job's folder gets the pictures sent, into
	// its --workspace.
	haveWorkspaces = false
	// haveCrashAfter: a node kills itself with --crash-after.
	haveCrashAfter = false
)
