package tunnel

import (
	"time"

	"github.com/twinspan/twinspan/ike"
)

// signOfLife is how long children in doubt may stand without a packet from the
// peer.
const signOfLife = 30 * time.Second

// doubt is a child that must show that it lives.
type doubt struct {
	until time.Time
	dead  bool // the peer did not answer: until then nothing stands
	why   string
}

// The reasons of a doubt.
const (
	beganAnew = "the peer began anew and sends nothing on the SA"
	isDead    = "the peer was dead and sends nothing on the SA"
)

// doubtAll puts every child in doubt: the peer says that it began anew
// (INITIAL-CONTACT, RFC 2407 §4.6.3.3), or does not answer any more (RFC 3706).
// Some peers say the former at each rekey of phase 1, and a peer may be out of
// reach for a while; so children are not taken down at once.
func (t *Tunnel) doubtAll(d doubt) {
	if t.doubts == nil {
		t.doubts = map[uint32]doubt{}
	}
	d.until = t.now.Add(signOfLife)
	for i := range t.pairs {
		for _, c := range t.pairs[i].children {
			t.doubts[c.SPIIn] = d
		}
	}
}

// dropDoubted takes down the children that have shown no sign of life.
func (t *Tunnel) dropDoubted() {
	t.loseDoubted("", func(_ *pair, _ int, d doubt) bool { return !d.until.After(t.now) })
}

// replaceDoubted takes down the older children in doubt of a pair that has a
// new one.
func (t *Tunnel) replaceDoubted(replaced *pair) {
	t.loseDoubted(", and the pair has a new SA", func(p *pair, i int, _ doubt) bool { return p == replaced && i < len(p.children)-1 })
}

// loseDoubted takes children in doubt down. The peer is told, though by its own
// words it has lost them: one that says so without need would go on sending into
// what is gone.
func (t *Tunnel) loseDoubted(besides string, which func(p *pair, i int, d doubt) bool) {
	if len(t.doubts) == 0 {
		return
	}
	for k := range t.pairs {
		p := &t.pairs[k]
		for i := len(p.children) - 1; i >= 0; i-- {
			d, ok := t.doubts[p.children[i].SPIIn]
			if !ok || !which(p, i, d) {
				continue
			}
			cause := ike.CauseDeleted
			if d.dead {
				cause = ike.CauseDead
			}
			t.takeDown(p, i, &ike.Fault{Cause: cause, Text: d.why + besides})
		}
	}
}

// peerDead does what the tunnel is to do about a peer that does not answer any
// more. With DPDRestart the children are kept until the peer is there again, in
// case that it was the network: but nothing is said to stand.
func (t *Tunnel) peerDead(f *ike.Fault) {
	t.carrier = backoff{}
	t.blame(f)
	if t.peer.DPD.Action == ike.DPDRestart {
		t.reviving = true
		t.doubtAll(doubt{dead: true, why: isDead})
		return
	}
	for i := range t.pairs {
		p := &t.pairs[i]
		for len(p.children) > 0 {
			t.lose(p, 0, f)
		}
		p.wait = backoff{}
	}
}

// stands tells that a pair has a child whose peer is not dead.
func (t *Tunnel) stands(p *pair) bool {
	for _, c := range p.children {
		if !t.doubts[c.SPIIn].dead {
			return true
		}
	}
	return false
}
