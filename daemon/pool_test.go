package daemon

import (
	"slices"
	"testing"

	"github.com/twinspan/twinspan/ike"
)

// ids are those of the jobs in the order in which they are handed over.
func (p *pool) ids() (all []uint64) {
	for to, job := p.next(); to != nil; to, job = p.next() {
		all = append(all, job.ID)
		p.taken()
	}
	return all
}

func job(id uint64, f ike.Standing) ike.Compute {
	return ike.Compute{ID: id, Do: func() any { return id }, For: f}
}

// Who is known does not wait for strangers, nor one whose address is real for those
// that may have forged theirs, however early they came.
func TestStrangersComeLast(t *testing.T) {
	p := newPool()
	for id := range uint64(6) {
		p.add(job(id, ike.Standing(2-id%3)))
	}
	if got, want := p.ids(), []uint64{2, 5, 1, 4, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("the jobs are done in the order %v, want %v", got, want)
	}
}

// A flood of strangers fills its own queue, and the engine hears of each job
// that is not done, so that it keeps none.
func TestTooManyStrangersAreDropped(t *testing.T) {
	l := newLoop(discard())
	var actions []ike.Action
	for id := range uint64(mostStrangers + 2) {
		actions = append(actions, job(id, ike.Unproven))
	}
	actions = append(actions, job(9999, ike.Known))
	heard := l.obey(actions)
	want := []ike.Input{ike.Computed{ID: mostStrangers}, ike.Computed{ID: mostStrangers + 1}}
	if !slices.Equal(heard, want) || l.pool.waiting() != mostStrangers+1 || l.reporter.counts["computations_dropped"] != 2 {
		t.Errorf("the engine hears %v, %d jobs wait, counters %v", heard, l.pool.waiting(), l.reporter.counts)
	}
	if got := l.pool.ids(); got[0] != 9999 || len(got) != mostStrangers+1 {
		t.Errorf("the first of %d jobs is %d", len(got), got[0])
	}
}
