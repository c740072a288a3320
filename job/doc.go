// Package job is the vocabulary of Spillway: jobs, tasks, operations, loads,
// errors, and the two seams that both sides of the wire implement, [Service]
// and [Worker].
//
// It holds words and rules that are pure: nothing here does I/O, starts a
// goroutine or reads a clock.
package job
