package userspace

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

// take is what an SA does with a packet of that number.
func (w *window) take(seq uint32) bool {
	if !w.fresh(seq) {
		return false
	}
	w.accept(seq)
	return true
}

func TestWindow(t *testing.T) {
	type step struct {
		seq  uint32
		want bool
	}
	for _, story := range []struct {
		name  string
		steps []step
	}{
		{"in order", []step{{1, true}, {2, true}, {3, true}}},
		{"zero is never sent", []step{{0, false}, {1, true}, {0, false}}},
		{"twice", []step{{7, true}, {7, false}, {8, true}, {7, false}, {8, false}}},
		{"late but inside", []step{{2000, true}, {2000 - xfrm.Replay + 1, true}, {2000 - xfrm.Replay + 1, false}}},
		{"too late", []step{{2000, true}, {2000 - xfrm.Replay, false}, {1, false}}},
		{"a jump over the whole ring forgets nothing it needs", []step{{5, true}, {100000, true}, {100000 - 5, true}, {5, false}}},
		{"a jump of one ring", []step{{63, true}, {63 + 2048, true}, {64 + 1024, true}, {64 + 1024, false}, {63 + 1024, false}}},
		{"the last number", []step{{math.MaxUint32, true}, {math.MaxUint32, false}, {math.MaxUint32 - 1, true}, {1, false}}},
	} {
		t.Run(story.name, func(t *testing.T) {
			var w window
			for i, s := range story.steps {
				if got := w.take(s.seq); got != s.want {
					t.Fatalf("step %d, number %d: %v, want %v", i, s.seq, got, s.want)
				}
			}
		})
	}
}

// Against a set that remembers everything: numbers in disorder, with jumps,
// losses and repetitions.
func TestWindowAgainstASet(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var w window
		had := map[uint32]bool{}
		top, at := uint32(0), uint32(1)
		for range 20000 {
			switch rng.IntN(100) {
			case 0:
				at += rng.Uint32N(5000)
			default:
				at += rng.Uint32N(3)
			}
			seq := at - min(at, rng.Uint32N(1+uint32(rng.IntN(2500))))
			want := seq > 0 && !had[seq] && (seq > top || top-seq < xfrm.Replay)
			if got := w.take(seq); got != want {
				t.Fatalf("seed %d: number %d with top %d: %v, want %v", seed, seq, top, got, want)
			}
			if want {
				had[seq], top = true, max(top, seq)
			}
		}
	}
}
