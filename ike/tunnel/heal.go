package tunnel

import (
	"time"

	"github.com/twinspan/twinspan/ike"
)

// muteFor is how long a pair may send without an answer before it is said that
// nothing comes back.
const muteFor = time.Minute

// carries is how long after its last packet a pair counts as one that works.
const carries = 10 * time.Minute

// probeGrace is how long after the tunnel came up a probe may still be one of
// those that were lost before.
const probeGrace = 10 * time.Second

// The rungs of the ladder, and how long each is given before the next one.
const (
	rekeyPairs    = 1 // new SAs for the pairs
	renewCarrier  = 2 // a new session, and new SAs under it
	startAfresh   = 3 // everything from the beginning
	givenToPairs  = 30 * time.Second
	givenToAll    = time.Minute
	shortestPause = 5 * time.Minute // between two rounds of the ladder; it doubles
	longestRound  = time.Hour
)

// ladder is how far the tunnel has gone to heal itself. The first two rungs lose
// nothing; the last one takes down what stands, so it is for those who have a
// probe: counters alone cannot tell a fault from traffic that goes one way.
type ladder struct {
	step  int
	next  time.Time
	pause time.Duration // after the last rung
}

// sent notes that packets go out on an SA. As long as nothing comes back it
// counts from the first of them.
func (t *Tunnel) sent(in Sent) {
	p, _ := t.find(named(in.SPI, in.Dst))
	switch {
	case p == nil:
	case p.unanswered.IsZero():
		p.unanswered = t.now
	case t.now.Sub(p.unanswered) >= muteFor:
		p.mute = true
	}
}

// used notes that the peer sends on an inbound SA.
func (t *Tunnel) used(spi uint32) {
	delete(t.doubts, spi)
	if p, _ := t.find(func(c ike.ChildSA) bool { return c.SPIIn == spi }); p != nil {
		p.used, p.mute, p.unanswered = t.now, false, time.Time{}
	}
}

// probe notes what the probe says. A round that began before the tunnel stood
// says nothing about it.
func (t *Tunnel) probe(passing bool) {
	t.probed = true
	if passing || t.state == ike.Up && t.now.Sub(t.since) >= probeGrace {
		t.passing = passing
	}
}

// silent tells that SAs stand and nothing comes back through them: the probe
// says so, or without one, all pairs that carry traffic wait in vain.
func (t *Tunnel) silent() bool {
	if t.probed {
		return !t.passing
	}
	mute := false
	for i := range t.pairs {
		p := &t.pairs[i]
		if !p.mute && !p.used.IsZero() && t.now.Sub(p.used) < carries {
			return false
		}
		mute = mute || p.mute
	}
	return mute
}

var silence = &ike.Fault{
	Cause: ike.CauseSilent, Text: "the SAs stand, and nothing comes back through them",
	Advice:     "see with twinspan traffic counters on both sides where packets end: routes and firewalls behind either gateway, ESP or UDP 4500 blocked on the way",
	PeerAdvice: "see that the peer's firewall passes ESP and that its networks have a route back",
}

// heal climbs the ladder while the tunnel is silent.
func (t *Tunnel) heal() {
	switch t.stateNow() {
	case ike.Silent:
	case ike.Up:
		t.ladder = ladder{}
		return
	default:
		return
	}
	if t.ladder.next.After(t.now) {
		return
	}
	t.ladder.step++
	switch t.ladder.step {
	case rekeyPairs:
		t.rekeyMute()
		t.ladder.next = t.now.Add(givenToPairs)
	case renewCarrier:
		if !t.renew.IsZero() {
			t.renew = t.now
		}
		t.ladder.next = t.now.Add(givenToAll)
	case startAfresh:
		if t.probed {
			t.startAfresh()
		}
		t.ladder.step = 0
		t.ladder.pause = min(max(2*t.ladder.pause, shortestPause), longestRound)
		t.ladder.next = t.now.Add(t.ladder.pause)
	}
}

// rekeyMute replaces the children of the pairs that nothing comes back through,
// of all of them when only the probe knows.
func (t *Tunnel) rekeyMute() {
	for i := range t.pairs {
		if p := &t.pairs[i]; p.mute || t.probed {
			p.renew, p.wait = t.now, backoff{}
		}
	}
}

// startAfresh takes down all that stands and begins again.
func (t *Tunnel) startAfresh() {
	t.clearAll(silence)
	t.say(Disconnect{})
	t.reviving = true // it would else be left to a peer that waits for us
}

// nextRung is when the ladder goes on, false for not at all.
func (t *Tunnel) nextRung() (time.Time, bool) { return t.ladder.next, t.state == ike.Silent }
