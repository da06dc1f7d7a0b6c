package tunnel

import (
	"time"

	"github.com/twinspan/twinspan/ike"
)

// signOfLife is how long the children of a peer that says it began anew may
// stand without a packet from it. Some peers say so at each rekey of phase 1,
// so they are not taken down at once.
const signOfLife = 30 * time.Second

// doubtAll puts every child in doubt (INITIAL-CONTACT, RFC 2407 §4.6.3.3).
func (t *Tunnel) doubtAll() {
	if t.doubts == nil {
		t.doubts = map[uint32]time.Time{}
	}
	for i := range t.pairs {
		for _, c := range t.pairs[i].children {
			t.doubts[c.SPIIn] = t.now.Add(signOfLife)
		}
	}
}

// dropDoubted takes down the children that have shown no sign of life.
func (t *Tunnel) dropDoubted() {
	t.loseDoubted(func(_ *pair, _ int, until time.Time) bool { return !until.After(t.now) },
		"the peer began anew and sends nothing on the SA")
}

// replaceDoubted takes down the older children in doubt of a pair that has a
// new one.
func (t *Tunnel) replaceDoubted(replaced *pair) {
	t.loseDoubted(func(p *pair, i int, _ time.Time) bool { return p == replaced && i < len(p.children)-1 },
		"the peer began anew and has a new SA for the pair")
}

// loseDoubted takes children in doubt down. The peer is told, though by its own
// words it has lost them: one that says so without need would go on sending into
// what is gone.
func (t *Tunnel) loseDoubted(which func(p *pair, i int, until time.Time) bool, why string) {
	if len(t.doubts) == 0 {
		return
	}
	for k := range t.pairs {
		p := &t.pairs[k]
		for i := len(p.children) - 1; i >= 0; i-- {
			if until, ok := t.doubts[p.children[i].SPIIn]; ok && which(p, i, until) {
				t.takeDown(p, i, &ike.Fault{Cause: ike.CauseDeleted, Text: why})
			}
		}
	}
}
