package engine

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// upUntil reports that a session stands which is to be replaced at a time.
func (b *bench) upUntil(f *fake, renew time.Time) {
	b.t.Helper()
	f.up, f.progressed = true, true
	b.say(f, ike.Report{Kind: ike.SessionUp, Session: &ike.SessionStatus{Cookies: f.cookies, Renew: renew}})
}

// A session is replaced by one that begins without a quick mode; the old one
// hears that it is superseded, and new children go through the new one.
func TestSessionIsReplaced(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 2))}})
	b.upUntil(b.fakes[0], begun.Add(time.Hour))
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.childUp(b.fakes[0], child(1, 0x301, 0x1301))
	b.now = begun.Add(time.Hour)
	b.tell(ike.Tick{})
	if len(b.fakes) != 2 {
		t.Fatalf("%d sessions", len(b.fakes))
	}
	b.wantLast(b.fakes[1], "Begin")
	if b.fakes[1].contact() {
		t.Error("a session that replaces another says that we hold nothing")
	}
	b.tell(ike.Rekey{Tunnel: "a", IPsec: true, Sel: sel(0)})
	b.wantLast(b.fakes[0], "Negotiate") // which is the one that stands
	b.upUntil(b.fakes[1], begun.Add(2*time.Hour))
	b.wantLast(b.fakes[0], "Superseded")
	b.tell(ike.Rekey{Tunnel: "a", IPsec: true, Sel: sel(1)})
	b.wantLast(b.fakes[1], "Negotiate")
	b.wantState("a", ike.Up)
}

// One that fails is tried again, the old one serves on; one that grows old
// sooner than it said is replaced sooner.
func TestSessionThatIsNotReplaced(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.upUntil(b.fakes[0], begun.Add(time.Hour))
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.say(b.fakes[0], ike.Report{Kind: ike.SessionChanged, Session: &ike.SessionStatus{Renew: begun.Add(time.Minute)}})
	b.now = begun.Add(time.Minute)
	b.tell(ike.Tick{})
	b.say(b.fakes[1], ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseTimeout}})
	b.wantState("a", ike.Up)
	b.now = b.now.Add(2 * time.Second)
	b.tell(ike.Tick{})
	b.wantLast(b.fakes[2], "Begin")
}

// The peer may close another session of its own than the one it says it in.
func TestPeerClosesAnotherSession(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.first(8, there)
	b.upNow(b.fakes[1], "a")
	b.say(b.fakes[1], ike.Report{Kind: ike.PeerClosed, Cookies: b.fakes[0].cookies})
	b.wantWords("session down")
	b.wantLast(b.fakes[0], "CloseSession")
	b.say(b.fakes[1], ike.Report{Kind: ike.PeerClosed, Cookies: ike.Cookies{}})
	b.wantWords("")
	b.wantState("a", ike.Up)
}

// When the newest session goes and an older one is left, that is replaced at
// once: it was told that it is of no more use.
func TestOlderSessionIsReplaced(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.upUntil(b.fakes[0], begun.Add(time.Hour))
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.first(8, there)
	b.upNow(b.fakes[1], "a")
	b.say(b.fakes[1], ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseDeleted}})
	b.now = b.now.Add(2 * time.Second) // the head start of the peer, which has just begun one
	b.tell(ike.Tick{})
	if len(b.fakes) != 3 {
		t.Fatalf("%d sessions", len(b.fakes))
	}
	b.wantLast(b.fakes[2], "Begin")
	b.wantState("a", ike.Up)
}

// A dead peer has no older session either: nothing is asked of one.
func TestDeadPeerHasNoSession(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.first(8, there)
	b.upNow(b.fakes[1], "a")
	b.now = b.now.Add(time.Minute)
	b.say(b.fakes[1], ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseDead}})
	b.wantLast(b.fakes[0], "CloseSession")
	b.wantLast(b.fakes[2], "Negotiate")
	b.wantState("a", ike.Negotiating)
	if !b.fakes[2].contact() {
		// The children are kept for a sign of life, so we hold something.
		b.tell(ike.Used{SPI: 0x300})
		b.wantState("a", ike.Up)
	}
}

// An attempt that the peer refuses for the key is followed by one with the next
// key.
func TestKeysTakeTurns(t *testing.T) {
	p := active(peerOf("a", there, 1))
	p.Keys = append(p.Keys, xfrm.NewSecret([]byte("the old one")))
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{p}})
	for i, tc := range []struct {
		cause ike.Cause
		key   int // of the next attempt
	}{{ike.CauseTimeout, 0}, {ike.CauseAuth, 1}, {ike.CauseTimeout, 1}, {ike.CauseAuth, 0}} {
		b.say(b.fakes[i], ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: tc.cause}})
		b.now = b.now.Add(5 * time.Minute)
		b.tell(ike.Tick{})
		if got := b.fakes[i+1].keys[0]; !got.Equal(p.Keys[tc.key]) {
			t.Errorf("attempt %d does not use key %d", i+1, tc.key)
		}
	}
}

// What goes out and what the probe says are the tunnel's to hear.
func TestSilenceIsNoticed(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	for range 2 {
		b.tell(ike.Sent{SPI: 0x1300, Dst: there})
		b.tell(ike.Sent{SPI: 0x1300, Dst: here})
		b.now = b.now.Add(time.Minute)
	}
	b.wantState("a", ike.Silent)
	b.tell(ike.Used{SPI: 0x300})
	b.wantState("a", ike.Up)
	b.now = b.now.Add(time.Minute)
	b.tell(ike.Probed{Tunnel: "a"})
	b.wantState("a", ike.Silent)
	b.tell(ike.Probed{Tunnel: "a", Passing: true})
	b.wantState("a", ike.Up)
	b.tell(ike.Probed{Tunnel: "gone"})
	b.wantWords("")
}
