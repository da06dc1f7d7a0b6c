package v1

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// What follows is said by a peer that has the keys, and is not our own kind.

// sealed is a first message of an exchange, made with an end's keys.
func (e *end) sealed(x isakmp.Exchange, mid uint32, chain ...isakmp.Payload) []byte {
	s := e.s
	data, _ := s.secrets.seal(s.secrets.iv2(s.iv, mid), s.header(x, mid), s.secrets.hashed(chain, midBytes(mid)))
	return data
}

// says lets the other end hear a datagram of e's.
func (p *pair) says(e *end, data []byte) {
	p.t.Helper()
	p.step(p.other(e), ike.Packet{Local: e.s.remote, Remote: e.s.local, Data: data})
}

// informs lets the other end hear an informational exchange of e's.
func (p *pair) informs(e *end, mid uint32, chain ...isakmp.Payload) {
	p.t.Helper()
	p.says(e, e.sealed(isakmp.Informational, mid, chain...))
}

func notify(t isakmp.NotifyType, spi, data []byte) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{
		Protocol: isakmp.ProtoESP, SPI: spi, Type: t, Data: data,
	}.Append(nil)}
}

// asks is a QM1 for the pair of networks of e's peer.
func (e *end) asks(mid uint32, change func(sa *isakmp.SecurityAssociation)) []byte {
	child := e.s.peer.Children[0]
	sa := offerESP(child, 0x1000+mid, isakmp.EncapTunnel)
	if change != nil {
		change(&sa)
	}
	return e.sealed(isakmp.QuickMode, mid,
		isakmp.Payload{Type: isakmp.SA, Body: sa.Append(nil)},
		isakmp.Payload{Type: isakmp.Nonce, Body: binary.BigEndian.AppendUint64(nil, uint64(mid))},
		isakmp.Payload{Type: isakmp.ID, Body: networkID(child.Sel.Local).Append(nil)},
		isakmp.Payload{Type: isakmp.ID, Body: networkID(child.Sel.Remote).Append(nil)})
}

// establishedPair is a pair with a tunnel, between which no more is carried.
func establishedPair(t *testing.T) *pair {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	p.wantTunnel()
	p.tamper = func(*end, []byte) []byte { return nil }
	p.a.sent, p.b.sent, p.a.reports, p.b.reports = nil, nil, nil, nil
	return p
}

// A quick mode beyond the bound is put off, not lost: the peer's resend of the
// same message is taken once there is room.
func TestQuickModesBeyondTheBound(t *testing.T) {
	p := establishedPair(t)
	for i := range uint32(maxResponding) {
		p.says(p.a, p.a.asks(i+1, nil))
	}
	late := p.a.asks(maxResponding+1, nil)
	p.says(p.a, late)
	if n := len(p.b.sent); n != maxResponding || p.b.s.responding() != maxResponding {
		t.Fatalf("%d answers at once", n)
	}
	p.run(2 * time.Minute)
	p.b.sent = nil
	p.says(p.a, late)
	if len(p.b.sent) != 1 {
		t.Error("the resend is taken for a replay")
	}
}

// Who begins quick modes and ends none gets few answers that it has not asked for; a
// resend of QM1 is answered in any case.
func TestQuickModesWithoutEndAreSeldomAnsweredAgain(t *testing.T) {
	p := establishedPair(t)
	for round := range uint32(2) {
		for i := range uint32(maxResponding) {
			p.says(p.a, p.a.asks(1+100*round+i, nil))
		}
		p.run(2 * time.Minute)
	}
	if n := len(p.b.sent); n != 2*maxResponding+mostUnproven {
		t.Errorf("%d quick modes get %d answers", 2*maxResponding, n)
	}
	p.b.sent = nil
	qm1 := p.a.asks(300, nil)
	p.says(p.a, qm1)
	p.run(time.Second)
	p.says(p.a, qm1)
	if n := len(p.b.sent); n != 2 {
		t.Errorf("QM1 and its resend get %d answers", n)
	}
}

// Resends that a proof has followed at last do not count: a network that loses QM3
// now and then costs the session nothing.
func TestProofGivesResendsBack(t *testing.T) {
	p := establishedPair(t)
	for i := range uint32(2 * mostUnproven) {
		p.b.sent = nil
		p.says(p.a, p.a.asks(1+i, nil))
		p.run(retry[0] + retry[1])
		if n := len(p.b.sent); n != 3 {
			t.Fatalf("quick mode %d is answered %d times", i, n)
		}
		p.step(p.b, ike.Used{SPI: p.b.s.quicks[1+i].spiIn})
	}
}

// What finished quick modes leave behind is bounded, whatever the peer sends.
func TestFinishedQuickModesAreBounded(t *testing.T) {
	p := establishedPair(t)
	for i := range uint32(3 * maxQuicks) {
		p.says(p.a, p.a.asks(i+1, func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Protocol = 2 }))
	}
	if n := len(p.b.s.quicks); n > maxQuicks {
		t.Errorf("%d quick modes are remembered", n)
	}
	p.run(2 * linger)
	p.b.reports = nil
	p.says(p.a, p.a.asks(4*maxQuicks, nil))
	if p.b.s.responding() != 1 {
		t.Errorf("a good one is not taken any more: %v", p.b.reports)
	}
}

// Duplicates of QM1 put the resend of QM2 off, but not for ever.
func TestDuplicatesDoNotKeepAQuickModeAlive(t *testing.T) {
	p := establishedPair(t)
	qm1 := p.a.asks(77, nil)
	for range 300 {
		p.says(p.a, qm1)
		p.run(5 * time.Second)
	}
	p.b.wantFault(ike.ChildUnconfirmed, ike.CauseTimeout)
}

// A resend of QM1 that comes after we gave up gets no QM2: the SA that it
// promises is gone.
func TestLateDuplicateOfAFailedQuickMode(t *testing.T) {
	p := establishedPair(t)
	qm1 := p.a.asks(77, nil)
	p.says(p.a, qm1)
	p.step(p.b, ike.Failed{SPI: p.b.s.quicks[77].spiIn, Err: errors.New("no room")})
	p.b.wantFault(ike.ChildFailed, ike.CauseDataPlane)
	p.b.sent = nil
	p.says(p.a, qm1)
	if len(p.b.sent) != 0 {
		t.Error("it is answered")
	}
}

// An error names the quick mode that it is about by its SPI; without one it is
// about the only one there is. INVALID-SPI is about an SA, never about an offer.
func TestErrorsFindTheirQuickMode(t *testing.T) {
	for _, c := range []struct {
		what  string
		n     isakmp.NotifyType
		spi   func(q *quick) []byte
		fails bool
	}{
		{"its SPI", isakmp.NoProposalChosen, func(q *quick) []byte { return spiBytes(q.spiIn) }, true},
		{"no SPI", isakmp.AuthenticationFailed, func(*quick) []byte { return nil }, true},
		{"an SPI of some SA", isakmp.InvalidSPI, func(*quick) []byte { return spiBytes(0x5555) }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := establishedPair(t)
			p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
			var q *quick
			for _, running := range p.a.s.quicks {
				if running.phase == wantAnswer {
					q = running
				}
			}
			p.informs(p.b, 99, notify(c.n, c.spi(q), nil))
			if failed := p.a.has(ike.ChildFailed) != nil; failed != c.fails {
				t.Errorf("the quick mode failed: %v", failed)
			}
			if p.a.has(ike.Refused) == nil && !c.fails {
				t.Error("nobody hears of the error")
			}
		})
	}
}

// An initiator that cannot take our QM2 says so, and we do not wait for more.
func TestAnswerIsRefused(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.b.s.candidates[0].Children[0].Proposals = []ike.Proposal{fastESP}
	p.start()
	p.wantTunnel()
	p.a.reports, p.b.reports = nil, nil
	var answered *quick
	p.tamper = func(from *end, data []byte) []byte {
		if h, _ := isakmp.ParseHeader(data); from == p.b && h.Exchange == isakmp.QuickMode {
			answered = p.a.s.quicks[h.MessageID]
			answered.child.Proposals = []ike.Proposal{{Cipher: xfrm.DESCBC, Hash: xfrm.SHA1}} // not what was offered
		}
		return data
	}
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.a.wantFault(ike.ChildFailed, ike.CauseProposal)
	p.b.wantFault(ike.ChildFailed, ike.CauseProposal)
	if len(p.b.sas) != 2 {
		t.Errorf("the responder keeps %d SAs instead of the 2 of before", len(p.b.sas))
	}
}

// A public value that is none fails the quick mode at both ends, at once.
func TestBadPublicValueInQuickMode(t *testing.T) {
	a, b := peers()
	withPFS(&a, 2)
	withPFS(&b, 2)
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
	p.a.reports, p.b.reports = nil, nil
	bad := make([]byte, 128)
	bad[127] = 1
	now := p.b.s.Step(p.now, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: p.asksWithKey(bad)})
	for _, action := range now {
		if c, ok := action.(ike.Compute); ok {
			p.step(p.b, ike.Computed{ID: c.ID, Result: c.Do()})
		}
	}
	p.b.wantFault(ike.ChildFailed, ike.CauseMalformed)
	if r := p.b.has(ike.MessageOut); r == nil || r.Step != isakmp.InvalidKey.String() {
		t.Errorf("the peer is told %v", r)
	}
}

func (p *pair) asksWithKey(public []byte) []byte {
	child := p.a.s.peer.Children[0]
	return p.a.sealed(isakmp.QuickMode, 77,
		isakmp.Payload{Type: isakmp.SA, Body: offerESP(child, 0x7777, isakmp.EncapTunnel).Append(nil)},
		isakmp.Payload{Type: isakmp.Nonce, Body: make([]byte, 16)},
		isakmp.Payload{Type: isakmp.KE, Body: public},
		isakmp.Payload{Type: isakmp.ID, Body: networkID(child.Sel.Local).Append(nil)},
		isakmp.Payload{Type: isakmp.ID, Body: networkID(child.Sel.Remote).Append(nil)})
}

// A responder that cannot install what was agreed on says so: the initiator
// would else wait, and take the silence for a session that was forgotten.
func TestPeerHearsOfAFailedInstall(t *testing.T) {
	p := establishedPair(t)
	p.says(p.a, p.a.asks(77, nil))
	var spi uint32
	for _, q := range p.b.s.quicks {
		if q.phase == wantProof {
			spi = q.spiIn
		}
	}
	p.b.reports = nil
	p.step(p.b, ike.Failed{SPI: spi, Err: errors.New("no such algorithm")})
	if r := p.b.has(ike.MessageOut); r == nil || r.Step != isakmp.InvalidTransform.String() {
		t.Errorf("the peer is told %v", r)
	}
}

// The end of a child also ends its QM3: a peer that still resends QM2 must not
// be led to believe in it.
func TestDeletedChildIsNotConfirmedAgain(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	var qm2 []byte
	p.tamper = func(from *end, data []byte) []byte {
		if h, _ := isakmp.ParseHeader(data); from == p.b && h.Exchange == isakmp.QuickMode {
			qm2 = data
		}
		return data
	}
	p.start()
	p.tamper = func(*end, []byte) []byte { return nil }
	p.step(p.a, ike.DeleteChild{SPIs: []uint32{p.a.has(ike.ChildUp).Child.SPIIn}})
	p.a.sent = nil
	p.says(p.b, qm2)
	if len(p.a.sent) != 0 {
		t.Error("QM3 goes out again")
	}
}

// Deletions that nobody can act on change nothing.
func TestStrangeDeletions(t *testing.T) {
	p := establishedPair(t)
	remove := func(protocol isakmp.Protocol, spis ...[]byte) isakmp.Payload {
		return isakmp.Payload{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: protocol, SPIs: spis}.Append(nil)}
	}
	p.informs(p.a, 1, remove(isakmp.ProtoISAKMP, make([]byte, 16)))
	p.informs(p.a, 2, remove(2, spiBytes(5)))
	p.informs(p.a, 3, remove(isakmp.ProtoESP, []byte{1, 2}))
	p.informs(p.a, 4, isakmp.Payload{Type: isakmp.Delete, Body: []byte{1}})
	p.informs(p.a, 5, isakmp.Payload{Type: isakmp.Notify, Body: []byte{1}})
	p.informs(p.a, 6)
	if !p.b.s.Established() || p.b.has(ike.PeerDeleted) != nil {
		t.Errorf("%v", p.b.reports)
	}
	p.informs(p.a, 7, remove(isakmp.ProtoESP, spiBytes(0x101), spiBytes(0x102)), remove(isakmp.ProtoESP, spiBytes(0x103)))
	var gone []uint32
	for _, r := range p.b.reports {
		if r.Kind == ike.PeerDeleted {
			gone = append(gone, r.SPI)
		}
	}
	if len(gone) != 3 {
		t.Errorf("deleted: %#x", gone)
	}
}

// A peer that changes its mind before QM3 ends the quick mode.
func TestDeleteBeforeQM3(t *testing.T) {
	p := establishedPair(t)
	p.says(p.a, p.a.asks(77, nil))
	p.informs(p.a, 78, isakmp.Payload{Type: isakmp.Delete, Body: isakmp.Deletion{
		Protocol: isakmp.ProtoESP, SPIs: [][]byte{spiBytes(0x1000 + 77)},
	}.Append(nil)})
	p.b.wantFault(ike.ChildFailed, ike.CauseDeleted)
	if len(p.b.sas) != 2 {
		t.Errorf("%d SAs instead of the 2 of before", len(p.b.sas))
	}
}
