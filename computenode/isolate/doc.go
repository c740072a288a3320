// Package isolate runs work in a pool of child processes of the same binary, one
// task at a time each, so that native code which crashes, hangs or eats memory
// costs one task and not the program.
//
// The parent holds a [Pool] and calls [Pool.Do]; the child, which is the same
// program started with other arguments, calls [Serve]. They speak gob over two
// pipes of their own, so that native code which prints disturbs nobody. [Inline]
// does the same work without children.
package isolate
