package scenario

// simulatedParts are those that play in the simulator, by scenario.
func simulatedParts() map[string][]Part {
	return map[string][]Part{
		"S1":  {fidelity},
		"S2":  {sixImages},
		"S3":  {hundredImages, workingImages},
		"S4":  {rejecter},
		"S5":  {unequalNodes},
		"S6":  {slowNodes},
		"S7":  {openLoop},
		"S8":  {sharedNodes},
		"S9":  {ramp},
		"S10": {overload},
		"S11": {spike},
		"S12": {flapping},
		"S13": {wallTime},
		"S14": {decision},
	}
}
