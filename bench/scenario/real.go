package scenario

// realParts are those that run the programs on this machine, by scenario. They
// record with the parameter on = report.OnMachine.
func realParts() map[string][]Part {
	return map[string][]Part{}
}
