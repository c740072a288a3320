package main

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
)

// busy are functions that no goroutine is in when there is nothing to do.
var busy = []string{
	"scheduler.(*Scheduler).runJob", "scheduler.(*Scheduler).runTask", "scheduler.(*Scheduler).keep", "scheduler.(*Scheduler).watchdog",
	"scheduler.(*watch).", "cluster.(*node).execute",
	"worker.(*Worker).Execute", "isolate.(*Pool).Do", "rpc.(*nodeHandler).", "rpc.(*serviceHandler).",
}

// Programs that are at rest have so many goroutines at most: some of their own, and
// some for each other program that they talk with.
const ownGoroutines, goroutinesEach = 40, 12

// checkGoroutines has every program write down its goroutines, which ends it, and
// checks that none works on a job that has ended, or is one of too many.
func (c *cluster) checkGoroutines() (wrong []string) {
	for _, p := range append(append([]*process(nil), c.servers...), c.nodes...) {
		if !p.answers() {
			continue
		}
		if err := p.end(syscall.SIGQUIT); err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		wrong = append(wrong, c.lookAtGoroutines(p.name, p.said())...)
	}
	return wrong
}

// stacksBegin is what Go writes before the stacks.
const stacksBegin = "SIGQUIT: quit"

var goroutineHead = regexp.MustCompile(`^goroutine \d+ .*\[`)

// lookAtGoroutines looks at the last stack dump in what a program said.
func (c *cluster) lookAtGoroutines(name, said string) (wrong []string) {
	at := strings.LastIndex(said, stacksBegin)
	if at < 0 {
		return []string{name + " wrote no stacks"}
	}
	count := 0
	for stack := range strings.SplitSeq(said[at:], "\n\n") {
		if !goroutineHead.MatchString(stack) {
			continue
		}
		count++
		for _, function := range busy {
			if strings.Contains(stack, function) {
				wrong = append(wrong, fmt.Sprintf("%s: a goroutine is left in %s:\n%s", name, function, stack))
				break
			}
		}
	}
	c.note("%s has %d goroutines", name, count)
	if most := ownGoroutines + goroutinesEach*(len(c.nodes)+len(c.servers)); count > most || count == 0 {
		wrong = append(wrong, fmt.Sprintf("%s has %d goroutines, want at most %d", name, count, most))
	}
	return wrong
}
