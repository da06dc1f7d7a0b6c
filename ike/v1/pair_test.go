package v1

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

var (
	addrA = netip.MustParseAddr("203.195.147.82")
	addrB = netip.MustParseAddr("202.108.22.5")
	begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// dice is chance that a test can repeat.
type dice struct{ r *rand.ChaCha8 }

func newDice(seed byte) dice {
	return dice{rand.NewChaCha8([32]byte{seed})}
}

func (d dice) Read(b []byte) (int, error) { return d.r.Read(b) }

func testEnv(seed byte) *ike.Env {
	spi, id := uint32(seed)<<24|0x1000, uint64(0)
	return &ike.Env{
		Rand: newDice(seed),
		SPI:  func() uint32 { spi++; return spi },
		ID:   func() uint64 { id++; return id },
	}
}

var (
	fastIKE = ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1, Group: 2}
	fastESP = ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}
)

// peers are two ends that fit each other.
func peers() (a, b ike.Peer) {
	sel := xfrm.Selector{Local: netip.MustParsePrefix("192.168.1.0/24"), Remote: netip.MustParsePrefix("10.0.1.0/24")}
	a = ike.Peer{
		Name: "a", Local: addrA, Remote: addrB, LocalID: ike.AddressID(addrA), RemoteID: ike.AddressID(addrB),
		Keys: []xfrm.Secret{xfrm.NewSecret([]byte("123456"))}, Mode: ike.Main, Proposals: []ike.Proposal{fastIKE},
		Lifetime: ike.Lifetime{Time: 86400 * time.Second}, IfID: xfrm.Ours | 1,
		Children: []ike.Child{{
			Sel: sel, ReqID: 7, Proposals: []ike.Proposal{fastESP},
			Lifetime: ike.Lifetime{Time: 3600 * time.Second, KB: 4096000},
		}},
	}
	b = a
	b.Name, b.Local, b.Remote, b.LocalID, b.RemoteID = "b", addrB, addrA, a.RemoteID, a.LocalID
	b.Children = []ike.Child{a.Children[0]}
	b.Children[0].Sel = xfrm.Selector{Local: sel.Remote, Remote: sel.Local}
	return a, b
}

// end is one session of a pair, with what it did.
type end struct {
	t       *testing.T
	s       *Session
	sas     map[uint32]xfrm.SA
	reports []ike.Report
	sent    [][]byte
	in, out int            // bytes of the last datagram, in aggressive mode of all; and of what was answered before authentication
	jobs    []ike.Standing // whom each Compute was for
}

// pair joins two sessions by a wire that loses nothing and takes no time.
type pair struct {
	t    *testing.T
	now  time.Time
	a, b *end
	// tamper may change a datagram before it arrives, or lose it by nil.
	tamper func(from *end, data []byte) []byte
}

// contact lets an initiator send INITIAL-CONTACT.
func contact() bool { return true }

func newPair(t *testing.T, a, b ike.Peer) *pair {
	p := &pair{t: t, now: begin}
	la, lb := netip.AddrPortFrom(addrA, 500), netip.AddrPortFrom(addrB, 500)
	p.a = &end{t: t, s: NewInitiator(testEnv(1), &a, la, lb, contact), sas: map[uint32]xfrm.SA{}}
	p.b = &end{t: t, s: NewResponder(testEnv(2), []*ike.Peer{&b}, lb, la), sas: map[uint32]xfrm.SA{}}
	return p
}

func (p *pair) other(e *end) *end {
	if e == p.a {
		return p.b
	}
	return p.a
}

// step gives an input to one end and obeys all that follows at both.
func (p *pair) step(e *end, in ike.Input) {
	p.t.Helper()
	if packet, ok := in.(ike.Packet); ok {
		if e.s.mode != ike.Aggressive { // where the same question, asked again, earns a longer answer
			e.in, e.out = 0, 0
		}
		e.in += len(packet.Data)
	}
	for _, action := range e.s.Step(p.now, in) {
		switch action := action.(type) {
		case ike.Send:
			p.carry(e, action)
		case ike.Compute:
			e.jobs = append(e.jobs, action.For)
			p.step(e, ike.Computed{ID: action.ID, Result: action.Do()})
		case ike.Install:
			e.sas[action.SA.SPI] = action.SA
		case ike.Remove:
			delete(e.sas, action.SPI)
		case ike.Report:
			e.reports = append(e.reports, action)
		}
	}
}

func (p *pair) carry(from *end, send ike.Send) {
	p.t.Helper()
	data := append([]byte(nil), send.Data...)
	from.sent = append(from.sent, data)
	from.wantNoMore(len(data))
	if p.tamper != nil {
		if data = p.tamper(from, data); data == nil {
			return
		}
	}
	p.step(p.other(from), ike.Packet{Local: send.Remote, Remote: send.Local, Data: data})
}

// wantNoMore says that whoever is not authenticated gets no more bytes than it sent:
// its address may be forged. An initiator has asked for what it is answering.
func (e *end) wantNoMore(bytes int) {
	e.t.Helper()
	if e.out += bytes; e.out > e.in && !e.s.initiator && !e.s.Established() {
		e.t.Errorf("%d bytes are answered with %d before authentication", e.in, e.out)
	}
}

// start begins phase 1 for the only pair of networks.
func (p *pair) start() {
	p.t.Helper()
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	if p.a.s.mode == ike.Aggressive {
		p.run(afterProof)
	}
}

// run lets time pass, in the order in which the ends want to be woken.
func (p *pair) run(d time.Duration) {
	p.t.Helper()
	for end := p.now.Add(d); ; {
		next := p.a
		at, ok := p.a.s.Wake()
		if b, okB := p.b.s.Wake(); okB && (!ok || b.Before(at)) {
			next, at, ok = p.b, b, true
		}
		if !ok || at.After(end) {
			p.now = end
			return
		}
		p.now = at
		p.step(next, ike.Tick{})
	}
}

func (e *end) has(k ike.Kind) *ike.Report {
	for i := range e.reports {
		if e.reports[i].Kind == k {
			return &e.reports[i]
		}
	}
	return nil
}

// wantFault says that a report of a kind has a fault of a cause.
func (e *end) wantFault(k ike.Kind, c ike.Cause) *ike.Fault {
	e.t.Helper()
	for _, r := range e.reports {
		if r.Kind == k && r.Fault != nil && r.Fault.Cause == c {
			return r.Fault
		}
	}
	e.t.Fatalf("no report %v with a fault of %v in %v", k, c, e.reports)
	return nil
}

// wantTunnel says that both ends have the same two SAs.
func (p *pair) wantTunnel() {
	p.t.Helper()
	up := p.a.has(ike.ChildUp)
	if up == nil || p.b.has(ike.ChildUp) == nil {
		p.t.Fatalf("no child: %v / %v", p.a.reports, p.b.reports)
	}
	for _, spi := range []uint32{up.Child.SPIIn, up.Child.SPIOut} {
		a, b := p.a.sas[spi], p.b.sas[spi]
		if a.SPI == 0 || !a.EncKey.Equal(b.EncKey) || !a.AuthKey.Equal(b.AuthKey) || a.Src != b.Src || a.Dst != b.Dst || a.Dir == b.Dir {
			p.t.Fatalf("SA %#x differs: %+v / %+v", spi, a, b)
		}
	}
}
