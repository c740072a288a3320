package view

import "spillway/job"

// Operation is what nodes can do.
type Operation struct {
	Name    string  `json:"name" example:"blur"`
	Summary string  `json:"summary" doc:"what it does"`
	Params  []Param `json:"params" doc:"what it takes"`
}

// Param is a parameter of an operation.
type Param struct {
	Name    string        `json:"name" example:"kernel"`
	Kind    job.ParamKind `json:"kind" doc:"what its values are" example:"int"`
	Default string        `json:"default" doc:"its value where it is not given"`
	Min     float64       `json:"min" doc:"the least number that it takes"`
	Max     float64       `json:"max" doc:"the greatest number that it takes"`
	Odd     bool          `json:"odd,omitempty" doc:"it takes odd numbers alone"`
	Choices []string      `json:"choices,omitempty" doc:"the words that it takes"`
	Summary string        `json:"summary" doc:"what it does"`
}

// OfOperation shows an operation with its parameters.
func OfOperation(op job.OperationInfo) Operation {
	return Operation{Name: op.Name, Summary: op.Summary, Params: Each(op.Params, ofParam)}
}

func ofParam(p job.ParamInfo) Param {
	return Param{
		Name: p.Name, Kind: p.Kind, Default: p.Default, Min: p.Min, Max: p.Max, Odd: p.Odd, Choices: p.Choices, Summary: p.Summary,
	}
}

// Operations are those that some node offers, each once, in the order in which the nodes
// name them.
func Operations(nodes []job.Node) (all []Operation) {
	seen := map[string]bool{}
	for _, n := range nodes {
		for _, op := range n.Operations {
			if !seen[op.Name] {
				seen[op.Name], all = true, append(all, OfOperation(op))
			}
		}
	}
	return all
}
