package main

import (
	"syscall"
	"time"
)

// How bad a bad network is: each packet takes so long, so that an answer takes
// twice that, and such a share is lost.
const (
	badDelay = 100 * time.Millisecond
	badLoss  = 0.05
)

// cutOff loses every packet from and to a node.
func (c *cluster) cutOff(f fault) (func() error, error) {
	h := c.nodes[f.node].host
	c.wires.sever(h, true, true, true)
	return func() error { c.wires.sever(h, true, true, false); return nil }, nil
}

// halfOpened loses what a node sends, so that nobody hears of it when it is killed
// thereafter: to the server its connections stay open. Later it is back.
func (c *cluster) halfOpened(f fault) (func() error, error) {
	node := c.nodes[f.node]
	c.wires.sever(node.host, true, false, true)
	return func() error {
		c.wires.sever(node.host, true, false, false)
		return node.start()
	}, node.end(syscall.SIGKILL)
}

// spoilt makes the network slow and lossy for all.
func (c *cluster) spoilt(fault) (func() error, error) {
	c.wires.spoil(badDelay, badLoss)
	return func() error { c.wires.spoil(0, 0); return nil }, nil
}
