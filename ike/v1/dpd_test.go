package v1

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// withDPD is a pair with a tunnel whose initiator alone asks.
func withDPD(t *testing.T, d ike.DPD) *pair {
	a, b := peers()
	a.DPD = d
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
	p.a.sent, p.b.sent, p.a.reports, p.b.reports = nil, nil, nil, nil
	return p
}

var usualDPD = ike.DPD{Delay: 10 * time.Second, Timeout: 40 * time.Second}

// said counts the messages of a step that an end has sent.
func (e *end) said(step string) int {
	n := 0
	for _, r := range e.reports {
		if r.Kind == ike.MessageOut && r.Step == step {
			n++
		}
	}
	return n
}

// An idle peer is asked once in each delay, and its answer is enough.
func TestDPDOfAnIdlePeer(t *testing.T) {
	p := withDPD(t, usualDPD)
	p.run(time.Minute)
	if asked, answered := p.a.said("R-U-THERE"), p.b.said("R-U-THERE-ACK"); asked != 6 || answered != 6 {
		t.Errorf("asked %d times and answered %d times instead of 6", asked, answered)
	}
	if p.b.said("R-U-THERE") != 0 || !p.a.s.Established() || !p.b.s.Established() {
		t.Error("who has no DPD asks too, or a session is down")
	}
}

// A peer that has vanished is asked until the timeout, and then the session ends.
func TestDPDOfADeadPeer(t *testing.T) {
	p := withDPD(t, usualDPD)
	p.tamper = func(*end, []byte) []byte { return nil }
	p.run(usualDPD.Delay + usualDPD.Timeout - time.Millisecond)
	if !p.a.s.Established() {
		t.Fatal("the session is down too early")
	}
	if n := p.a.said("R-U-THERE"); n != questions {
		t.Errorf("asked %d times", n)
	}
	p.run(time.Millisecond)
	f := p.a.wantFault(ike.SessionDown, ike.CauseDead)
	if !strings.Contains(f.Text, "50s") || !strings.Contains(f.Advice, "4500") {
		t.Error(f.Error())
	}
	if len(p.a.sas) != 2 {
		t.Error("the children did not outlive their session")
	}
	if _, ok := p.a.s.Wake(); ok {
		t.Error("the dead session wants to be woken")
	}
}

// One answer of several is enough, to whichever of the questions, and then the
// peer has its whole time again.
func TestDPDWithLoss(t *testing.T) {
	p := withDPD(t, usualDPD)
	lost := 0
	p.tamper = func(*end, []byte) []byte { lost++; return nil }
	p.run(44 * time.Second)
	if lost < 5 || !p.a.s.Established() {
		t.Fatalf("%d datagrams were lost, established: %v", lost, p.a.s.Established())
	}
	p.tamper = nil
	p.run(10 * time.Second)
	p.tamper = func(*end, []byte) []byte { return nil }
	p.run(40 * time.Second)
	if !p.a.s.Established() {
		t.Error("the answer does not count")
	}
}

// What the peer sends is a sign of life: with traffic nobody is asked.
func TestNoDPDWithTraffic(t *testing.T) {
	for what, sign := range map[string]func(p *pair){
		"ESP": func(p *pair) { p.step(p.a, ike.Used{SPI: 1}) },
		"IKE": func(p *pair) { p.step(p.b, ike.DeleteChild{SPIs: []uint32{0x5555}}) },
	} {
		t.Run(what, func(t *testing.T) {
			p := withDPD(t, usualDPD)
			for range 100 {
				p.run(9 * time.Second)
				sign(p)
			}
			if n := p.a.said("R-U-THERE"); n != 0 {
				t.Errorf("asked %d times", n)
			}
			p.run(usualDPD.Delay)
			if n := p.a.said("R-U-THERE"); n != 1 {
				t.Errorf("asked %d times once it is idle", n)
			}
		})
	}
}

// Traffic that comes back ends the questions.
func TestTrafficAnswersDPD(t *testing.T) {
	p := withDPD(t, usualDPD)
	p.tamper = func(*end, []byte) []byte { return nil }
	p.run(40 * time.Second)
	p.step(p.a, ike.Used{SPI: 1})
	asked := p.a.said("R-U-THERE")
	p.run(9 * time.Second)
	if n := p.a.said("R-U-THERE"); n != asked || !p.a.s.Established() {
		t.Errorf("asked %d times more", n-asked)
	}
}

// Nobody is asked who has not announced DPD, nor by a session that another one has
// superseded.
func TestWhoIsNotAsked(t *testing.T) {
	for what, change := range map[string]func(p *pair){
		"a peer without DPD":    func(p *pair) { p.a.s.ext.dpd = false },
		"a superseded session":  func(p *pair) { p.step(p.a, ike.Superseded{}) },
		"a tunnel without DPD":  func(p *pair) { p.a.s.peer.DPD = ike.DPD{} },
		"superseded when asked": func(p *pair) { p.run(15 * time.Second); p.a.reports = nil; p.step(p.a, ike.Superseded{}) },
	} {
		t.Run(what, func(t *testing.T) {
			p := withDPD(t, usualDPD)
			p.tamper = func(*end, []byte) []byte { return nil }
			change(p)
			p.run(time.Hour)
			if n := p.a.said("R-U-THERE"); n != 0 || !p.a.s.Established() {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func question(t isakmp.NotifyType, spi []byte, number uint32) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{
		Protocol: isakmp.ProtoISAKMP, SPI: spi, Type: t, Data: binary.BigEndian.AppendUint32(nil, number),
	}.Append(nil)}
}

// Questions are answered by their number, whatever cookies they name, and never
// those that are older than one that was answered.
func TestQuestionsOfThePeer(t *testing.T) {
	p := establishedPair(t)
	right := p.b.s.cookieSPI()
	swapped := append(append([]byte(nil), right[8:]...), right[:8]...)
	mid := uint32(100)
	for _, c := range []struct {
		what     string
		q        isakmp.Payload
		answered bool
	}{
		{"the first", question(isakmp.RUThere, right, 0xfffffffe), true},
		{"the next", question(isakmp.RUThere, right, 0xffffffff), true},
		{"the same again in another exchange", question(isakmp.RUThere, right, 0xffffffff), true},
		{"one after an overflow", question(isakmp.RUThere, right, 3), true},
		{"an old one", question(isakmp.RUThere, right, 0xfffffffe), false},
		{"the cookies in the wrong order", question(isakmp.RUThere, swapped, 4), true},
		{"other cookies", question(isakmp.RUThere, make([]byte, 16), 5), true},
		{"no cookies", question(isakmp.RUThere, nil, 6), true},
		{"no number", notify(isakmp.RUThere, right, nil), false},
		{"a number of 8 bytes", notify(isakmp.RUThere, right, make([]byte, 8)), false},
		{"an answer that nobody asked for", question(isakmp.RUThereAck, right, 7), false},
	} {
		mid++
		p.now = p.now.Add(time.Second)
		p.b.sent = nil
		p.informs(p.a, mid, c.q)
		if answered := len(p.b.sent) == 1; answered != c.answered || answered != p.b.s.heard.Equal(p.now) {
			t.Errorf("%s: answered %v, a sign of life %v", c.what, answered, p.b.s.heard.Equal(p.now))
		}
	}
	p.b.sent = nil
	recorded := p.a.sealed(isakmp.Informational, 7, question(isakmp.RUThere, right, 100))
	p.says(p.a, recorded)
	p.says(p.a, recorded)
	if len(p.b.sent) != 1 {
		t.Errorf("a replay gets %d answers", len(p.b.sent)-1)
	}
}

// The numbers grow by one, and an old answer is none.
func TestNumbersOfDPD(t *testing.T) {
	var d dpd
	d.number, d.open = 7, 3
	for _, c := range []struct {
		number uint32
		fresh  bool
	}{{4, false}, {8, false}, {6, true}, {5, false}, {6, false}, {7, true}, {7, false}} {
		if fresh := d.answers(c.number); fresh != c.fresh {
			t.Errorf("answer %d: %v", c.number, fresh)
		}
	}
	p := withDPD(t, usualDPD)
	p.run(11 * time.Second)
	first := p.a.s.dpd.number
	if first > 1<<31 {
		t.Errorf("the first number is %#x", first)
	}
	p.run(10 * time.Second)
	if p.a.s.dpd.number != first+1 {
		t.Errorf("after %d comes %d", first, p.a.s.dpd.number)
	}
}

// Both ends may ask each other, and the shortest delays do no harm.
func TestBothEndsAsk(t *testing.T) {
	a, b := peers()
	a.DPD = ike.DPD{Delay: time.Second, Timeout: time.Second}
	b.DPD = a.DPD
	p := newPair(t, a, b)
	p.start()
	p.run(time.Minute)
	p.wantTunnel()
	if n := len(p.a.sent) + len(p.b.sent); n > 9+2*61 {
		t.Errorf("%d datagrams: each question answers the other's too", n)
	}
	if !p.a.s.Established() || !p.b.s.Established() {
		t.Error("a session is down")
	}
}

// Cisco announces DPD in message 3 or 4 only, and hears from us what it announces.
func TestDPDAnnouncedLate(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		h, _ := isakmp.ParseHeader(data)
		if h.Exchange != isakmp.MainMode || h.Flags&isakmp.Encrypted != 0 {
			return data
		}
		var rest []isakmp.Payload
		chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
		for _, payload := range chain {
			if payload.Type != isakmp.Vendor || !bytes.Equal(payload.Body, vendorDPD) || p.a.s.state == wantResponderKey {
				rest = append(rest, payload)
			}
		}
		if from == p.a && p.a.s.state == wantResponderKey {
			rest = append(rest, vendor([]byte("somebody")), vendor(vendorDPD))
		}
		return clearMessage(h, rest)
	}
	p.start()
	p.wantTunnel()
	if !p.a.s.ext.dpd || !p.b.s.ext.dpd {
		t.Errorf("DPD: %v and %v", p.a.s.ext.dpd, p.b.s.ext.dpd)
	}
}

// Huawei's devices put the HASH behind the question, and want the answer so too;
// nothing else may come so.
func TestDPDWithTheHashLast(t *testing.T) {
	p := withDPD(t, usualDPD)
	sealed := func(mid uint32, n isakmp.Payload) []byte {
		s := p.b.s
		data, _ := s.secrets.seal(s.secrets.iv2(s.iv, mid), s.header(isakmp.Informational, mid),
			s.secrets.hashedLast([]isakmp.Payload{n}, midBytes(mid)))
		return data
	}
	p.says(p.b, sealed(70, notify(isakmp.InitialContact, nil, nil)))
	p.says(p.b, sealed(71, deletion(isakmp.ProtoISAKMP, p.a.s.cookieSPI())))
	forged := sealed(72, question(isakmp.RUThere, p.a.s.cookieSPI(), 5))
	forged[len(forged)-30] ^= 1
	p.says(p.b, forged)
	if len(p.a.sent) != 0 || p.a.has(ike.PeerRestarted) != nil || !p.a.s.Established() || p.a.s.dpd.hashLast {
		t.Fatalf("%v", p.a.reports)
	}
	p.says(p.b, sealed(73, question(isakmp.RUThere, p.a.s.cookieSPI(), 5)))
	if p.a.said("R-U-THERE-ACK") != 1 || !p.b.s.dpd.hashLast {
		t.Errorf("the answer is another one: %v", p.a.reports)
	}
	p.run(time.Minute)
	if n := p.b.said("R-U-THERE-ACK"); n < 5 || !p.a.s.Established() {
		t.Errorf("%d answers to our questions", n)
	}
}
