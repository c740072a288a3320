package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/scenario"
)

func TestLine_TellsEachFigureBesideItsTarget(t *testing.T) {
	rows := []struct {
		name    string
		figures []scenario.Figure
		line    string
		met     bool
	}{
		{"met", []scenario.Figure{{Metric: "makespan", Value: .17, Unit: "s", Target: .2}}, "S2 ok makespan=0.170s target=0.20s", true},
		{"missed", []scenario.Figure{{Metric: "makespan", Value: .31, Unit: "s", Target: .2}}, "S2 short makespan=0.310s target=0.20s", false},
		{"met exactly", []scenario.Figure{{Metric: "makespan", Value: .2, Unit: "s", Target: .2}}, "S2 ok makespan=0.200s target=0.20s", true},
		{"a floor met", []scenario.Figure{{Metric: "goodput", Value: .985, Target: .98, AtLeast: true}}, "S2 ok goodput=0.985 target=0.98", true},
		{"a floor missed", []scenario.Figure{{Metric: "goodput", Value: .9, Target: .98, AtLeast: true}}, "S2 short goodput=0.900 target=0.98", false},
		{"missed by little", []scenario.Figure{{Metric: "ratio", Value: 1.10004, Target: 1.1}}, "S2 short ratio=1.10004 target=1.10", false},
		{"nothing", []scenario.Figure{{Metric: "lost", Target: 0}}, "S2 ok lost=0.00 target=0.00", true},
		{"large", []scenario.Figure{{Metric: "wall", Value: 123.456, Target: 200}}, "S2 ok wall=123.46 target=200.00", true},
		{
			"one of two missed",
			[]scenario.Figure{{Metric: "a", Value: 1, Target: 2}, {Metric: "b", Value: 3, Target: 2}},
			"S2 short a=1.00 target=2.00 b=3.00 target=2.00", false,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			line, met := scenario.Line("S2", row.figures)
			require.Equal(t, row.line, line)
			require.Equal(t, row.met, met)
		})
	}
}
