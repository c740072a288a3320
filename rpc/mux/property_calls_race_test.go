//go:build race

package mux_test

// propertyCalls is how many calls the property test makes; the race detector
// makes each ten times as dear.
const propertyCalls = 50_000

// replacedCalls is how many calls servers get that are replaced meanwhile.
const replacedCalls = 5_000

// harmedCalls is how many calls a link gets that does harm.
const harmedCalls = 300
