// Package load puts one peer under one kind of load, and measures. It is a closed
// loop: each caller calls again as soon as it has its answer.
package load
