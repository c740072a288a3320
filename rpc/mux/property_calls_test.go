//go:build !race

package mux_test

// propertyCalls is how many calls the property test makes.
const propertyCalls = 1_000_000

// replacedCalls is how many calls servers get that are replaced meanwhile.
const replacedCalls = 40_000

// harmedCalls is how many calls a link gets that does harm.
const harmedCalls = 1_000
