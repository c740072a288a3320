package scenario

// simulatedParts are those that play in the simulator, by scenario.
func simulatedParts() map[string][]Part {
	return map[string][]Part{
		"S2": {sixImages},
	}
}
