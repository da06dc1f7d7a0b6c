package monitor

import (
	"maps"
	"testing"
)

func TestErrorsOfTheKernel(t *testing.T) {
	got := xfrmErrors("XfrmInError             \t0\nXfrmInNoStates          \t3\nXfrmOutPolBlock         \t7\nnonsense\nXfrmIn x\n")
	want := map[string]uint64{"in_error": 0, "in_no_states": 3, "out_pol_block": 7}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
