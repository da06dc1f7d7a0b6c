package v1

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

func deletion(protocol isakmp.Protocol, spis ...[]byte) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: protocol, SPIs: spis}.Append(nil)}
}

// deleted are the SPIs that an end has reported as deleted.
func (e *end) deleted() (spis []uint32) {
	for _, r := range e.reports {
		if r.Kind == ike.PeerDeleted {
			spis = append(spis, r.SPI)
		}
	}
	return spis
}

// Peers write deletions of children in many ways.
func TestDeletionsOfChildren(t *testing.T) {
	noDOI := deletion(isakmp.ProtoESP, spiBytes(0x101))
	binary.BigEndian.PutUint32(noDOI.Body, 0)
	lying := deletion(isakmp.ProtoESP, spiBytes(0x101))
	binary.BigEndian.PutUint16(lying.Body[6:], 2)
	wide := deletion(isakmp.ProtoESP, spiBytes(0x101))
	wide.Body[5] = 200
	for _, c := range []struct {
		what  string
		chain []isakmp.Payload
		want  []uint32
	}{
		{"one", []isakmp.Payload{deletion(isakmp.ProtoESP, spiBytes(0x101))}, []uint32{0x101}},
		{"several in one payload", []isakmp.Payload{deletion(isakmp.ProtoESP, spiBytes(0x101), spiBytes(0x102))}, []uint32{0x101, 0x102}},
		{"several payloads", []isakmp.Payload{deletion(isakmp.ProtoESP, spiBytes(0x101)), deletion(isakmp.ProtoESP, spiBytes(0x102))}, []uint32{0x101, 0x102}},
		{"with a notification", []isakmp.Payload{notify(isakmp.Connected, nil, nil), deletion(isakmp.ProtoESP, spiBytes(0x101))}, []uint32{0x101}},
		{"with DOI 0", []isakmp.Payload{noDOI}, []uint32{0x101}},
		{"reserved SPIs", []isakmp.Payload{deletion(isakmp.ProtoESP, spiBytes(0), spiBytes(255))}, nil},
		{"an SPI of 16 bytes", []isakmp.Payload{deletion(isakmp.ProtoESP, make([]byte, 16))}, nil},
		{"AH", []isakmp.Payload{deletion(2, spiBytes(0x101))}, nil},
		{"an unknown protocol", []isakmp.Payload{deletion(99, spiBytes(0x101))}, nil},
		{"a count that lies", []isakmp.Payload{lying}, nil},
		{"a size that lies", []isakmp.Payload{wide}, nil},
		{"no SPIs", []isakmp.Payload{deletion(isakmp.ProtoESP)}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := establishedPair(t)
			p.informs(p.a, 77, c.chain...)
			if got := p.b.deleted(); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("deletes %#x instead of %#x", got, c.want)
			}
			if !p.b.s.Established() {
				t.Error("the session is down")
			}
		})
	}
}

// A deletion of a session is about this one, be the cookies in the wrong order, or
// about another one of the peer's.
func TestDeletionsOfSessions(t *testing.T) {
	other := ike.Cookies{Initiator: [8]byte{1, 2}, Responder: [8]byte{3, 4}}
	cookies := func(a, b [8]byte) []byte { return append(a[:], b[:]...) }
	for _, c := range []struct {
		what  string
		spi   func(own ike.Cookies) []byte
		ends  bool
		other bool
	}{
		{"this one", func(own ike.Cookies) []byte { return cookies(own.Initiator, own.Responder) }, true, false},
		{"in the wrong order", func(own ike.Cookies) []byte { return cookies(own.Responder, own.Initiator) }, true, false},
		{"another one", func(ike.Cookies) []byte { return cookies(other.Initiator, other.Responder) }, false, true},
		{"half of this one", func(own ike.Cookies) []byte { return own.Initiator[:] }, false, false},
		{"zeros", func(ike.Cookies) []byte { return make([]byte, 16) }, false, false},
		{"a child's SPI", func(ike.Cookies) []byte { return spiBytes(0x101) }, false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := establishedPair(t)
			p.informs(p.a, 77, deletion(isakmp.ProtoISAKMP, c.spi(p.b.s.cookies)))
			if ends := !p.b.s.Established(); ends != c.ends {
				t.Errorf("the session ends: %v", ends)
			}
			r := p.b.has(ike.PeerClosed)
			if (r != nil) != c.other || r != nil && (r.Cookies != other || r.Tunnel != "b") {
				t.Errorf("reports %+v", r)
			}
		})
	}
}

// The children that a message deletes beside its own session are gone too,
// whichever comes first.
func TestDeletionOfAll(t *testing.T) {
	p := establishedPair(t)
	p.informs(p.a, 77, deletion(isakmp.ProtoISAKMP, p.b.s.cookieSPI()), deletion(isakmp.ProtoESP, spiBytes(0x101)))
	p.b.wantFault(ike.SessionDown, ike.CauseDeleted)
	if got := p.b.deleted(); len(got) != 1 {
		t.Errorf("deletes %#x", got)
	}
	if last := p.b.reports[len(p.b.reports)-1]; last.Kind != ike.SessionDown {
		t.Errorf("the last report is %v", last.Kind)
	}
}

// A deletion that names our SPI instead of the peer's ends the quick mode too.
func TestDeletionByTheReceiversSPI(t *testing.T) {
	p := establishedPair(t)
	p.says(p.a, p.a.asks(77, nil))
	p.informs(p.a, 78, deletion(isakmp.ProtoESP, spiBytes(p.b.s.quicks[77].spiIn)))
	p.b.wantFault(ike.ChildFailed, ike.CauseDeleted)
}

// INITIAL-CONTACT counts wherever an authentic message has it, once per session.
func TestInitialContactElsewhere(t *testing.T) {
	for what, say := range map[string]func(p *pair, mid uint32){
		"an informational": func(p *pair, mid uint32) { p.informs(p.a, mid, notify(isakmp.InitialContact, nil, nil)) },
		"QM1": func(p *pair, mid uint32) {
			p.says(p.a, p.a.sealed(isakmp.QuickMode, mid,
				isakmp.Payload{Type: isakmp.SA, Body: offerESP(p.a.s.peer.Children[0], 0x1000+mid, isakmp.EncapTunnel).Append(nil)},
				isakmp.Payload{Type: isakmp.Nonce, Body: make([]byte, 16)}, qmID("192.168.1.0/24"), qmID("10.0.1.0/24"),
				notify(isakmp.InitialContact, nil, nil)))
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			p.a.s.contact = func() bool { return false }
			p.start()
			p.tamper = func(*end, []byte) []byte { return nil }
			say(p, 77)
			say(p, 78)
			heard := 0
			for _, r := range p.b.reports {
				if r.Kind == ike.PeerRestarted {
					heard++
				}
			}
			if heard != 1 {
				t.Errorf("heard %d times", heard)
			}
		})
	}
}

// Once authenticated, what comes in clear is not even a hint.
func TestClearInformationalsAfterAuthentication(t *testing.T) {
	p := establishedPair(t)
	for _, e := range []*end{p.a, p.b} {
		h := e.s.header(isakmp.Informational, 77)
		for _, payload := range []isakmp.Payload{
			notify(isakmp.NoProposalChosen, nil, nil), notify(isakmp.InitialContact, nil, nil),
			question(isakmp.RUThere, e.s.cookieSPI(), 1),
			deletion(isakmp.ProtoISAKMP, e.s.cookieSPI()), deletion(isakmp.ProtoESP, spiBytes(0x101)),
		} {
			p.step(e, ike.Packet{Local: e.s.local, Remote: e.s.remote, Data: clearMessage(h, []isakmp.Payload{payload})})
		}
		if len(e.reports)+len(e.sent) != 0 || !e.s.Established() {
			t.Errorf("%v", e.reports)
		}
	}
}

// CONNECTED may come under the message id of the quick mode that it is about, and
// quick modes with the commit bit.
func TestCommitBit(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(_ *end, data []byte) []byte {
		if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode {
			data[19] |= byte(isakmp.Commit)
		}
		return data
	}
	p.start()
	p.wantTunnel()
	reports := len(p.a.reports)
	for mid := range p.a.s.quicks {
		p.informs(p.b, mid, notify(isakmp.Connected, nil, nil))
	}
	if len(p.a.reports) != reports {
		t.Errorf("CONNECTED does %v", p.a.reports[reports:])
	}
}

// Signs of IKEv2 explain why nothing came of message 1, and end nothing: anybody
// can have sent them.
func TestPeerOfIKEv2(t *testing.T) {
	inVersion2 := func(h isakmp.Header) []byte {
		h.Exchange, h.Flags = 37, 1<<5
		data := clearMessage(h, []isakmp.Payload{{Type: 41, Body: []byte{0, 0, 0, 5}}})
		data[17] = 0x20
		return data
	}
	for what, answer := range map[string]func(h isakmp.Header) []byte{
		"a message of IKEv2": inVersion2,
		"INVALID-MAJOR-VERSION": func(h isakmp.Header) []byte {
			h.Exchange = isakmp.Informational
			return clearMessage(h, []isakmp.Payload{notify(isakmp.InvalidMajorVersion, nil, nil)})
		},
	} {
		for _, mode := range []ike.Mode{ike.Main, ike.Aggressive} {
			t.Run(what+" to "+mode.String(), func(t *testing.T) {
				a, b := peers()
				a.Mode = mode
				p := newPair(t, a, b)
				p.tamper = func(*end, []byte) []byte { return nil }
				p.start()
				p.a.reports = nil
				for range 3 {
					p.says(p.b, answer(p.a.s.header(isakmp.MainMode, 0)))
				}
				f := p.a.wantFault(ike.Refused, ike.CauseVersion)
				if f.PeerAdvice == "" || len(p.a.reports) > 1 {
					t.Errorf("%v", p.a.reports)
				}
				p.run(2 * time.Minute)
				p.a.wantFault(ike.SessionDown, ike.CauseVersion)
			})
		}
	}
	p := establishedPair(t)
	for _, e := range []*end{p.a, p.b} {
		p.step(e, ike.Packet{Local: e.s.local, Remote: e.s.remote, Data: inVersion2(e.s.header(isakmp.MainMode, 0))})
		if len(e.reports) != 0 {
			t.Errorf("once established: %v", e.reports)
		}
	}
}

// What a peer says under the new keys before its message 6 is no message 6: ours
// is sent again until that comes.
func TestNotificationBeforeMessageSix(t *testing.T) {
	a, b := peers()
	p := newPair(t, a, b)
	p.tamper = func(from *end, data []byte) []byte {
		if from == p.a && p.a.s.state == wantResponderID {
			return nil // message 5
		}
		return data
	}
	p.start()
	p.says(p.b, p.a.sealed(isakmp.Informational, 77, notify(isakmp.Connected, nil, nil)))
	p.tamper = nil
	p.run(3 * time.Second)
	p.wantTunnel()
}
