package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInUnits_UnitsThatPeopleRead(t *testing.T) {
	for _, row := range []struct {
		value float64
		unit  string
		want  string
	}{
		{15880, "ms", "15.88 s"},
		{999.96, "ms", "1 s"},
		{60.21, "ms", "60.21 ms"},
		{.06021, "s", "60.21 ms"},
		{.25, "ms", "250 µs"},
		{12345.6, "s", "12346 s"},
		{0, "ms", "0 ms"},
		{5e-9, "s", "5 ns"},
		{123456, "", "123456"},
		{1.646, "", "1.646"},
		{.00123, "", "0.00123"},
		{.0000012, "", "1.2e-06"},
	} {
		require.Equal(t, row.want, inUnits(row.value, row.unit, 4))
	}
}

func TestWithin_TheIntervalIsInTheUnitOfTheValue(t *testing.T) {
	require.Equal(t, "15.88 s ±0.12", within(15880, 15760, 16000, "ms", 4))
	require.Equal(t, "176 ms ±73", within(.176, .103, .249, "s", 3))
	require.Equal(t, "1.65 ±0.094", within(1.65, 1.556, 1.744, "", 3))
	require.Equal(t, "868 ms ±240", within(.868, .628, 1.108, "s", 3))
	require.Equal(t, "3 s ±0", within(3, 3, 3, "s", 4))
}
