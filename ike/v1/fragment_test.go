package v1

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// many makes a offer so many transforms in quick mode that the message does not
// fit a datagram of 1280 bytes. b wants the last of them.
func many(a, b *ike.Peer) {
	var list []ike.Proposal
	for _, h := range []xfrm.Hash{xfrm.SHA512, xfrm.SHA384, xfrm.SHA256, xfrm.SHA1} {
		for range 10 {
			list = append(list, ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: h})
		}
	}
	a.Children[0].Proposals = list
	b.Children[0].Proposals = list[39:]
}

// manyPair is a pair that negotiates many transforms over a wire that loses what
// is larger than 1280 bytes with UDP, IP and the marker.
func manyPair(t *testing.T) *pair {
	a, b := peers()
	many(&a, &b)
	p := newPair(t, a, b)
	p.tamper = narrow
	return p
}

func narrow(_ *end, data []byte) []byte {
	if len(data)+4+8+40 > 1280 {
		return nil
	}
	return data
}

func isFragment(data []byte) bool {
	h, err := isakmp.ParseHeader(data)
	return err == nil && h.Next == isakmp.FragmentPayload
}

func TestFragmentsPassWhereLargeDatagramsDoNot(t *testing.T) {
	p := manyPair(t)
	p.start()
	p.wantTunnel()
	if n := len(p.a.sent) + len(p.b.sent); n != 10 {
		t.Errorf("%d datagrams instead of 6 + 3 and one fragment more", n)
	}
	sent := 0
	for _, r := range p.a.reports {
		if r.Kind == ike.MessageOut && r.Step == "QM1" {
			sent = r.Bytes
		}
	}
	if in := p.b.has(ike.ChildUp); sent < largest || in == nil {
		t.Errorf("QM1 has %d bytes", sent)
	}
}

// Who has not announced fragments gets none, and none are taken.
func TestNoFragmentsUnlessBothAnnounceThem(t *testing.T) {
	for step, at := range map[string]state{"message 1": wantOffer, "message 2": wantChoice} {
		t.Run("none in "+step, func(t *testing.T) {
			p := manyPair(t)
			p.tamper = func(from *end, data []byte) []byte {
				if isFragment(data) {
					t.Errorf("a fragment in state %d", from.s.state)
				}
				if p.other(from).s.state != at {
					return data
				}
				return rewritten(data, func(chain []isakmp.Payload) {
					for i := range chain {
						if bytes.HasPrefix(chain[i].Body, vendorFragments[:16]) {
							chain[i].Body = []byte("somebody")
						}
					}
				})
			}
			p.start()
			p.wantTunnel()
			p.tamper = func(*end, []byte) []byte { return nil }
			to := p.a // the end that has not heard of fragments
			if at == wantOffer {
				to = p.b
			}
			fragment := isakmp.Fragment{ID: 1, Number: 1, Data: make([]byte, 100)}
			p.says(p.other(to), pieces(p.other(to).s, fragment)[0])
			if keptOf(to.s) != 0 {
				t.Error("a fragment is kept")
			}
		})
	}
}

// pieces are messages that carry these fragments.
func pieces(s *Session, list ...isakmp.Fragment) [][]byte {
	var all [][]byte
	for _, f := range list {
		all = append(all, clearMessage(s.header(isakmp.MainMode, 0), []isakmp.Payload{
			{Type: isakmp.FragmentPayload, Body: f.Append(nil)},
		}))
	}
	return all
}

// Windows announces fragments by 16 bytes, Cisco by other flags. The answer is
// no longer than what it answers.
func TestWaysToAnnounceFragments(t *testing.T) {
	_, b := peers()
	for what, theirs := range map[string][]byte{
		"as we do":      vendorFragments,
		"without flags": vendorFragments[:16],
		"other flags":   append(bytes.Clone(vendorFragments[:16]), 0xc0, 0, 0, 0),
		"longer":        append(bytes.Clone(vendorFragments), 1, 2, 3),
	} {
		x, answer := understand([]*ike.Peer{&b}, []isakmp.Payload{vendor(theirs), vendor(theirs)})
		if !x.frag || len(answer) != 1 || len(answer[0].Body) > len(theirs) || !bytes.HasPrefix(vendorFragments, answer[0].Body) {
			t.Errorf("%s: %+v, answered by %v", what, x, answer)
		}
	}
	if x, answer := understand([]*ike.Peer{&b}, []isakmp.Payload{vendor(vendorFragments[:15])}); x.frag || len(answer) != 0 {
		t.Errorf("15 bytes: %+v", x)
	}
}

// A fragment that is lost comes again with the message, in the same bytes.
func TestLostFragments(t *testing.T) {
	for lost := range 2 {
		t.Run(fmt.Sprintf("fragment %d", lost+1), func(t *testing.T) {
			p := manyPair(t)
			var seen [][]byte
			p.tamper = func(from *end, data []byte) []byte {
				if !isFragment(data) {
					return data
				}
				if seen = append(seen, data); len(seen) == lost+1 {
					return nil
				}
				return data
			}
			p.start()
			p.run(retry[0])
			p.wantTunnel()
			if len(seen) != 4 || !bytes.Equal(seen[0], seen[2]) || !bytes.Equal(seen[1], seen[3]) {
				t.Errorf("%d fragments, or the second time others", len(seen))
			}
			for _, e := range []*end{p.a, p.b} {
				p.now = e.s.parts.wake()
				p.step(e, ike.Tick{})
				if keptOf(e.s) != 0 {
					t.Errorf("%d bytes are kept for ever", keptOf(e.s))
				}
			}
		})
	}
}

// Fragments come in any order and more than once: it is one message.
func TestFragmentsInDisorder(t *testing.T) {
	for what, arrange := range map[string]func(a, b []byte) [][]byte{
		"the second first":           func(a, b []byte) [][]byte { return [][]byte{b, a} },
		"each of them twice":         func(a, b []byte) [][]byte { return [][]byte{a, a, b, b} },
		"all of them twice":          func(a, b []byte) [][]byte { return [][]byte{a, b, a, b} },
		"the second first and twice": func(a, b []byte) [][]byte { return [][]byte{b, b, a, a} },
	} {
		t.Run(what, func(t *testing.T) {
			p := manyPair(t)
			var held []byte
			p.tamper = func(from *end, data []byte) []byte {
				switch {
				case !isFragment(data):
					return data
				case held == nil:
					held = data
					return nil
				}
				saved := p.tamper
				p.tamper = nil
				for _, d := range arrange(held, data) {
					p.says(from, d)
				}
				p.tamper = saved
				return nil
			}
			p.start()
			p.wantTunnel()
			up := 0
			for _, r := range p.b.reports {
				if r.Kind == ike.ChildUp {
					up++
				}
			}
			if up != 1 || len(p.b.sas) != 2 {
				t.Errorf("%d children, %d SAs", up, len(p.b.sas))
			}
		})
	}
}

// A duplicate in fragments is one of the message: it gets the stored answer.
func TestDuplicateInFragments(t *testing.T) {
	p := manyPair(t)
	var fragments [][]byte
	p.tamper = func(_ *end, data []byte) []byte {
		if isFragment(data) {
			fragments = append(fragments, data)
		}
		return data
	}
	p.start()
	p.wantTunnel()
	qm2 := p.b.sent[len(p.b.sent)-1]
	p.tamper, p.b.sent = func(*end, []byte) []byte { return nil }, nil
	for _, d := range fragments {
		p.says(p.a, d)
	}
	if len(p.b.sent) != 1 || !bytes.Equal(p.b.sent[0], qm2) || len(p.b.sas) != 2 {
		t.Errorf("the answers are %x, the SAs %d", p.b.sent, len(p.b.sas))
	}
}

// What fragments say of themselves is a claim. A good message that comes after
// any nonsense is read, at the latest when it is sent again.
func TestLyingFragments(t *testing.T) {
	from, other := netip.MustParseAddrPort("192.0.2.1:500"), netip.MustParseAddrPort("192.0.2.1:501")
	message := isakmp.Header{Exchange: isakmp.QuickMode, Length: isakmp.HeaderSize + 4}.Append(nil)
	message = append(message, 1, 2, 3, 4)
	piece := func(id uint16, n uint8, last bool, data []byte) isakmp.Fragment {
		return isakmp.Fragment{ID: id, Number: n, Last: last, Data: data}
	}
	one, two, three := piece(7, 1, false, message[:10]), piece(7, 2, false, message[10:30]), piece(7, 3, true, message[30:])
	nested := isakmp.Header{Next: isakmp.FragmentPayload, Length: isakmp.HeaderSize}.Append(nil)
	for what, lies := range map[string][]isakmp.Fragment{
		"nothing else":                    nil,
		"a last one before its time":      {piece(7, 2, true, []byte{9})},
		"two last ones":                   {piece(7, 3, true, message[30:]), piece(7, 4, true, []byte{9})},
		"one after the last":              {three, piece(7, 4, false, []byte{9})},
		"other bytes under the number":    {piece(7, 2, false, []byte{9})},
		"those of another message":        {piece(8, 2, false, message[10:30])},
		"more than there is room for":     {piece(7, 5, false, make([]byte, maxFragmentedEarly)), piece(7, 6, false, []byte{1})},
		"a whole message that is no such": {piece(7, 1, true, []byte{9})},
		"a length that is a lie":          {piece(7, 1, true, message[:29])},
		"a fragment of fragments":         {piece(7, 1, true, nested)},
	} {
		t.Run(what, func(t *testing.T) {
			var p parts
			for _, f := range lies {
				if _, whole := p.add(f, from, maxFragmentedEarly, begin); whole != nil {
					t.Fatalf("%x is a message", whole)
				}
				if p.size > maxFragmentedEarly || len(p.list) > maxFragments {
					t.Fatalf("%d bytes, %d fragments", p.size, len(p.list))
				}
			}
			read := false
			for _, f := range []isakmp.Fragment{one, two, three, one, two, three} {
				_, got := p.add(f, from, maxFragmentedEarly, begin)
				read = read || bytes.Equal(got, message)
			}
			if !read {
				t.Error("it is not read")
			}
		})
	}
	var p parts
	p.add(one, from, maxFragmented, begin)
	p.add(two, other, maxFragmented, begin)
	if _, whole := p.add(three, other, maxFragmented, begin); whole != nil {
		t.Error("the parts of a message come from two places")
	}
}

// keptOf is how many bytes of fragments a session keeps.
func keptOf(s *Session) int {
	if s.parts == nil {
		return 0
	}
	return s.parts.size
}

// FuzzFragments: whatever comes, and from wherever, what is kept is bounded, and
// what is complete has the length that its header says.
func FuzzFragments(f *testing.F) {
	message := isakmp.Header{Length: isakmp.HeaderSize}.Append(nil)
	f.Add(slices.Concat([]byte{0, 24, 0, 1, 1, 0}, message[:20], []byte{0, 12, 0, 1, 2, 1}, message[20:]))
	f.Add(slices.Concat([]byte{1, 32, 0, 9, 1, 1}, message))
	f.Fuzz(func(t *testing.T, input []byte) {
		var p parts
		now := begin
		for len(input) > 2 {
			from, n := netip.AddrPortFrom(addrA, uint16(input[0]&1)), min(int(input[1]), len(input)-2)
			now = now.Add(time.Duration(input[0]) * time.Second / 16)
			body := input[2 : 2+n]
			input = input[2+n:]
			fragment, err := isakmp.ParseFragment(body)
			if err != nil || len(fragment.Data) == 0 || fragment.Number > maxFragments {
				continue
			}
			if !p.forget.IsZero() && !now.Before(p.forget) {
				p = parts{}
			}
			if h, whole := p.add(fragment, from, 256, now); whole != nil && int(h.Length) != len(whole) {
				t.Fatalf("%x is complete", whole)
			}
			if p.size > 256 || len(p.list) > maxFragments || (p.size > 0) != !p.forget.IsZero() {
				t.Fatalf("%+v is kept", p)
			}
		}
	})
}

// The end of one message and the beginning of the next are not taken for one,
// though some peers number all messages alike.
func TestLeftOverFragment(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.1:500")
	message := append(isakmp.Header{Length: isakmp.HeaderSize + 100}.Append(nil), make([]byte, 100)...)
	var p parts
	p.add(isakmp.Fragment{ID: 1, Number: 2, Last: true, Data: []byte("the end of another message")}, from, maxFragmented, begin)
	p.add(isakmp.Fragment{ID: 1, Number: 1, Data: message[:60]}, from, maxFragmented, begin)
	if _, whole := p.add(isakmp.Fragment{ID: 1, Number: 2, Last: true, Data: message[60:]}, from, maxFragmented, begin); !bytes.Equal(whole, message) {
		t.Errorf("%x", whole)
	}
}

// Before phase 1 is done, a stranger can make a responder keep a few kilobytes,
// and only after it has shown that it has the address that it says. Datagrams
// are never kept.
func TestHalfOpenKeepsFewFragments(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		if p.b.s.state != wantOffer {
			return nil
		}
		return data
	}
	p.start()
	before := len(p.b.sent)
	p.says(p.a, pieces(p.a.s, isakmp.Fragment{ID: 1, Number: 1, Data: []byte("who knows no cookie")})[0])
	if keptOf(p.b.s) != 0 {
		t.Error("a fragment is kept for whoever does not know the cookie")
	}
	p.a.s.cookies = p.b.s.cookies
	kept := func() weak.Pointer[byte] {
		data := append(pieces(p.a.s, isakmp.Fragment{ID: 1, Number: 64, Data: make([]byte, 1000)})[0], make([]byte, 50000)...)
		p.says(p.a, data)
		return weak.Make(&data[0])
	}()
	runtime.GC()
	if kept.Value() != nil || keptOf(p.b.s) != 1000 {
		t.Errorf("the datagram is kept: %v; %d bytes", kept.Value() != nil, keptOf(p.b.s))
	}
	for n := range 100 {
		for _, id := range []uint16{1, 2} {
			p.says(p.a, pieces(p.a.s, isakmp.Fragment{ID: id, Number: uint8(n), Data: make([]byte, 1000)})[0])
			if s := p.b.s.parts; s != nil && (s.size > maxFragmentedEarly || len(s.list) > maxFragments) {
				t.Fatalf("%d bytes in %d fragments", s.size, len(s.list))
			}
		}
	}
	if len(p.b.sent) != before || p.b.s.state != wantInitiatorKey {
		t.Error("fragments are answered")
	}
}

// Fragments that nothing follows are forgotten.
func TestFragmentsAreForgotten(t *testing.T) {
	p := establishedPair(t)
	p.says(p.a, pieces(p.a.s, isakmp.Fragment{ID: 1, Number: 1, Data: make([]byte, 1000)})[0])
	if wake, ok := p.b.s.Wake(); !ok || wake.After(p.now.Add(fragmentsWait)) || keptOf(p.b.s) != 1000 {
		t.Fatalf("wakes at %v, %d bytes", wake, keptOf(p.b.s))
	}
	p.run(fragmentsWait)
	if keptOf(p.b.s) != 0 {
		t.Error("they are kept")
	}
}

// An established peer may send as much as a datagram could have held.
func TestLargeMessageInSmallFragments(t *testing.T) {
	p := establishedPair(t)
	filler := isakmp.Payload{Type: isakmp.Vendor, Body: make([]byte, 40000)}
	data := p.a.sealed(isakmp.Informational, 9, notify(isakmp.Connected, nil, nil), filler)
	var list []isakmp.Fragment
	for part := range slices.Chunk(data, 1000) {
		list = append(list, isakmp.Fragment{ID: 1, Number: uint8(len(list) + 1), Data: part})
	}
	list[len(list)-1].Last = true
	for _, d := range pieces(p.a.s, list...) {
		p.says(p.a, d)
	}
	if r := p.b.has(ike.MessageIn); r == nil || r.Bytes != len(data) {
		t.Errorf("%v", p.b.reports)
	}
}

// Message 2 goes whole, however long the one transform is that it echoes, and
// so does its duplicate.
func TestMessageTwoIsNeverFragmented(t *testing.T) {
	a, b := peers()
	sa := offerIKE(&a)
	list := &sa.Proposals[0].Transforms[0].Attributes
	for range 400 {
		*list = append(*list, isakmp.Attribute{Type: privateUse, Value: 1})
	}
	s := NewResponder(testEnv(2), []*ike.Peer{&b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
	mm1 := clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode},
		append([]isakmp.Payload{{Type: isakmp.SA, Body: sa.Append(nil)}}, announce(&a)...))
	for _, at := range []time.Duration{0, time.Second} {
		out := 0
		for _, action := range s.Step(begin.Add(at), ike.Packet{Local: s.local, Remote: s.remote, Data: mm1}) {
			if send, ok := action.(ike.Send); ok {
				out += len(send.Data)
				if isFragment(send.Data) {
					t.Error("a fragment")
				}
			}
		}
		if out < largest || out > len(mm1) {
			t.Errorf("%d bytes are answered by %d", len(mm1), out)
		}
	}
}

// A fragment is no first message: nothing was agreed on. It leaves no session.
func TestFragmentAsAFirstMessage(t *testing.T) {
	a, b := peers()
	p := newPair(t, a, b)
	m := clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode}, []isakmp.Payload{
		{Type: isakmp.FragmentPayload, Body: isakmp.Fragment{ID: 1, Number: 1, Last: true, Data: make([]byte, 100)}.Append(nil)},
	})
	p.says(p.a, m)
	p.b.wantFault(ike.SessionDown, ike.CauseMalformed)
}
