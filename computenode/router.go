package main

import (
	"context"

	"spillway/computenode/operation"
	"spillway/computenode/worker"
)

// nativeless is an operation that can say that it runs no native code.
type nativeless interface {
	Native() bool
}

// router sends operations with native code to the child processes, and does the
// others here, where they cost no round trip and can break nothing.
type router struct {
	children, here worker.Runner
	tame           map[string]bool // names of operations without native code
}

func newRouter(children, here worker.Runner) *router {
	r := &router{children: children, here: here, tame: map[string]bool{}}
	for _, op := range operation.All() {
		if n, ok := op.(nativeless); ok && !n.Native() {
			r.tame[op.Info().Name] = true
		}
	}
	return r
}

// Do implements worker.Runner.
func (r *router) Do(ctx context.Context, req operation.Request) (operation.Reply, error) {
	if r.tame[req.Operation.Name] {
		return r.here.Do(ctx, req)
	}
	return r.children.Do(ctx, req)
}
