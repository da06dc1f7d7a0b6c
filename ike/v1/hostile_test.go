package v1

import (
	"bytes"
	"net/netip"
	"runtime"
	"testing"
	"weak"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// A duplicate of any datagram changes nothing, and gets the same answer.
func TestEveryDatagramTwice(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	var wire [][]byte
	p.tamper = func(_ *end, data []byte) []byte { wire = append(wire, data); return data }
	p.start()
	p.wantTunnel()
	p.tamper = func(*end, []byte) []byte { return nil }
	want := map[int]int{0: 0, 2: 3, 4: 5, 6: 7, 7: 8} // which datagram answers which, of those still remembered
	for i, data := range wire {
		e := p.b
		if i == 1 || i == 3 || i == 5 || i == 7 {
			e = p.a
		}
		e.sent = nil
		p.step(e, ike.Packet{Local: e.s.local, Remote: e.s.remote, Data: data})
		if answer, ok := want[i]; ok && answer != 0 && (len(e.sent) != 1 || !bytes.Equal(e.sent[0], wire[answer])) {
			t.Errorf("a duplicate of datagram %d is answered by %x", i, e.sent)
		}
		if len(e.sent) > 1 {
			t.Errorf("a duplicate of datagram %d is answered %d times", i, len(e.sent))
		}
	}
	if n := len(p.a.sas) + len(p.b.sas); n != 4 {
		t.Errorf("%d SAs instead of 4", n)
	}
}

func TestDuplicatesAreBounded(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	var mm1 []byte
	p.tamper = func(_ *end, data []byte) []byte {
		if mm1 == nil {
			mm1 = data
			return data
		}
		return nil
	}
	p.start()
	p.b.sent = nil
	for range 1000 {
		p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: mm1})
	}
	if n := len(p.b.sent); n != duplicatesAnswered {
		t.Errorf("%d answers to 1000 duplicates", n)
	}
}

// Bytes that are changed on the way do not end what goes on: the right ones
// still find everything in its place.
func TestForgedBeforeEachGenuine(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		to := p.other(from)
		if to.s.state == wantOffer {
			return data // a refused first message leaves nothing to go on with
		}
		places := []int{20} // the message id; more of a clear message cannot be told from a genuine one
		if data[19]&byte(isakmp.Encrypted) != 0 {
			places = []int{20, isakmp.HeaderSize, isakmp.HeaderSize + 9}
			if from.s.state != wantResponderID { // the end of message 5, INITIAL-CONTACT, is under no hash
				places = append(places, len(data)-1)
			}
		}
		saved := p.tamper
		p.tamper = func(*end, []byte) []byte { return nil }
		for _, at := range places {
			forged := bytes.Clone(data)
			forged[at] ^= 0x55
			p.step(to, ike.Packet{Local: to.s.local, Remote: to.s.remote, Data: forged})
		}
		p.tamper = saved
		return data
	}
	p.start()
	p.wantTunnel()
}

// Nothing that a stranger sends is answered by more bytes than it has, and a
// refused first message ends the session at once.
func TestStrangers(t *testing.T) {
	a, b := peers()
	good := clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode}, []isakmp.Payload{
		{Type: isakmp.SA, Body: offerIKE(&a).Append(nil)},
	})
	change := func(at int, b ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], b)
		return data
	}
	for what, data := range map[string][]byte{
		"nothing":              {},
		"a header alone":       good[:isakmp.HeaderSize],
		"half an SA":           good[:isakmp.HeaderSize+10],
		"a message id":         change(20, 1),
		"a zero cookie":        change(0, make([]byte, 8)...),
		"a responder's cookie": change(8, 1),
		"encrypted":            change(19, 1),
		"quick mode":           change(18, 32),
		"informational":        change(18, 5),
		"aggressive mode":      change(18, 4),
		"an unknown exchange":  change(18, 77),
		"the wrong hash":       change(len(good)-22, 0x80, 2, 0, 99),
		"no SA payload":        change(16, 13),
	} {
		t.Run(what, func(t *testing.T) {
			p := newPair(t, a, b)
			p.tamper = func(*end, []byte) []byte { return nil }
			p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: data})
			out := 0
			for _, sent := range p.b.sent {
				out += len(sent)
			}
			if out > len(data) {
				t.Errorf("%d bytes are answered by %d", len(data), out)
			}
			if p.b.has(ike.SessionDown) == nil {
				t.Errorf("the session goes on: %v", p.b.reports)
			}
		})
	}
}

// The shortest message 1 that is good is still not shorter than its answer; so
// are the shortest message 3 and its, even with NAT-D payloads that are empty.
func TestNoAmplification(t *testing.T) {
	a, b := peers()
	p := newPair(t, a, b)
	p.tamper = func(from *end, data []byte) []byte {
		h, _ := isakmp.ParseHeader(data)
		if from != p.a || h.Exchange != isakmp.MainMode || h.Flags&isakmp.Encrypted != 0 {
			return data
		}
		chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
		for i := range chain {
			switch chain[i].Type {
			case isakmp.Nonce:
				chain[i].Body = chain[i].Body[:minNonce]
			case isakmp.NATD:
				chain[i].Body = nil
			}
		}
		short := clearMessage(h, chain)
		before := len(p.b.sent)
		p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: short})
		if len(p.b.sent) > before && len(p.b.sent[before]) > len(short) {
			t.Errorf("%d bytes are answered by %d", len(short), len(p.b.sent[before]))
		}
		return nil
	}
	p.start()
	if len(p.b.sent) < 2 {
		t.Errorf("%d answers instead of messages 2 and 4", len(p.b.sent))
	}
}

// A responder that hears nothing more forgets the session without a word.
func TestHalfOpenEnds(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		if from == p.b {
			return nil
		}
		return data
	}
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.tamper = func(*end, []byte) []byte { return nil }
	p.b.sent = nil
	p.run(halfOpen)
	if p.b.has(ike.SessionDown) == nil || len(p.b.sent) != 0 {
		t.Errorf("%v, %d datagrams", p.b.reports, len(p.b.sent))
	}
}

// A recorded quick mode or deletion that comes again begins nothing.
func TestReplayedExchanges(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	child := p.a.has(ike.ChildUp).Child
	p.step(p.a, ike.DeleteChild{SPIs: []uint32{child.SPIIn}})
	recorded := append([][]byte(nil), p.a.sent...)
	p.now = p.now.Add(2 * linger)
	p.step(p.b, ike.Tick{})
	reports, sas := len(p.b.reports), len(p.b.sas)
	for _, data := range recorded[3:] {
		p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: data})
	}
	if len(p.b.reports) != reports || len(p.b.sas) != sas {
		t.Errorf("a replay did %v", p.b.reports[reports:])
	}
}

// An answer with a reserved SPI, and an offer of transforms that protect
// nothing, are refused.
func TestMustNotAccept(t *testing.T) {
	for what, change := range map[string]func(*isakmp.SecurityAssociation){
		"SPI 0":             func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].SPI = spiBytes(0) },
		"SPI 255":           func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].SPI = spiBytes(255) },
		"an SPI of 2 bytes": func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].SPI = []byte{9, 9} },
		"AES with 0 bits": func(sa *isakmp.SecurityAssociation) {
			sa.Proposals[0].Transforms[0].Attributes[0].Value = 0
		},
		"no integrity": func(sa *isakmp.SecurityAssociation) {
			t := &sa.Proposals[0].Transforms[0]
			t.Attributes = append(t.Attributes[:1:1], t.Attributes[2:]...)
		},
		"transport mode": func(sa *isakmp.SecurityAssociation) {
			sa.Proposals[0].Transforms[0].Attributes[2].Value = 2
		},
		"a transform of 2 KB": func(sa *isakmp.SecurityAssociation) {
			t := &sa.Proposals[0].Transforms[0]
			for range 500 {
				t.Attributes = append(t.Attributes, isakmp.Attribute{Type: privateUse, Value: 1})
			}
		},
		"AH":       func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Protocol = 2 },
		"a bundle": func(sa *isakmp.SecurityAssociation) { sa.Proposals = append(sa.Proposals, sa.Proposals[0]) },
		"none":     func(sa *isakmp.SecurityAssociation) { sa.Proposals = nil },
	} {
		t.Run(what, func(t *testing.T) {
			a, b := peers()
			sa := offerESP(a.Children[0], 0x1234, isakmp.EncapTunnel)
			change(&sa)
			read, err := isakmp.ParseSA(sa.Append(nil))
			if err != nil {
				return // not even an SA
			}
			s := NewResponder(testEnv(1), []*ike.Peer{&b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
			q := &quick{child: b.Children[0]}
			if no := s.chooseESP(q, proposed{sa: read}); no == nil {
				t.Errorf("accepted as %v", q.choice.proposal)
			}
		})
	}
}

// The memory of message ids is bounded, and forgets the oldest first.
func TestUsedIDs(t *testing.T) {
	const remembered = 1024
	u := usedIDs{most: remembered}
	for id := range uint32(3 * remembered) {
		if !u.add(id) || u.add(id) {
			t.Fatalf("%d is not remembered", id)
		}
		if old := id - remembered; id >= remembered && (u.has(old) || !u.has(old+1)) {
			t.Fatalf("after %d, %d is there: %v, %d: %v", id, old, u.has(old), old+1, u.has(old+1))
		}
	}
	if len(u.ring) != remembered || cap(u.ring) > 2*remembered {
		t.Errorf("%d of %d ids are kept", len(u.ring), cap(u.ring))
	}
}

// A first message may have as many bytes as a datagram. A session that waits for
// the next one must not keep them all.
func TestHalfOpenKeepsNoDatagram(t *testing.T) {
	a, b := peers()
	s := NewResponder(testEnv(2), []*ike.Peer{&b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
	datagram := func() weak.Pointer[byte] {
		data := clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode}, []isakmp.Payload{
			{Type: isakmp.SA, Body: offerIKE(&a).Append(nil)}, {Type: isakmp.Vendor, Body: make([]byte, 60000)},
		})
		s.Step(begin, ike.Packet{Local: s.local, Remote: s.remote, Data: data})
		return weak.Make(&data[0])
	}()
	runtime.GC()
	if s.state != wantInitiatorKey {
		t.Fatal("the message was refused")
	}
	if datagram.Value() != nil {
		t.Error("the datagram is still there")
	}
	runtime.KeepAlive(s)
}
