package v1

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// script is chance that a recording dictates: what strongSwan drew then.
type script struct {
	t    *testing.T
	next [][]byte
}

func (s *script) Read(b []byte) (int, error) {
	if len(b) == 1 {
		return len(b), nil // where soft limits fall
	}
	if len(s.next) == 0 {
		s.t.Fatalf("a draw of %d bytes after the recording's end", len(b))
	}
	switch value := s.next[0]; {
	case value == nil: // a private value, which the recording does not have
		copy(b, bytes.Repeat([]byte{1}, len(b)))
	case copy(b, value) != len(b):
		s.t.Fatalf("a draw of %d bytes where the recording has %d", len(b), len(value))
	}
	s.next = s.next[1:]
	return len(b), nil
}

// replay is one of our sessions in the place of one of the recorded ends.
type replay struct {
	t     *testing.T
	r     recorded
	s     *Session
	jobs  []computed // what Diffie-Hellman gave then
	sas   map[uint32]xfrm.SA
	sent  [][]byte
	ports uint16
}

func newReplay(t *testing.T, r recorded, spi []byte, draws ...[]byte) (*replay, *ike.Env) {
	id := uint64(0)
	return &replay{t: t, r: r, sas: map[uint32]xfrm.SA{}, ports: xfrm.PortIKE}, &ike.Env{
		Rand: &script{t, draws},
		SPI:  func() uint32 { v, _ := validSPI(spi); return v },
		ID:   func() uint64 { id++; return id },
	}
}

func (p *replay) step(in ike.Input) {
	p.t.Helper()
	for _, action := range p.s.Step(begin, in) {
		switch action := action.(type) {
		case ike.Send:
			p.sent = append(p.sent, action.Data)
		case ike.Compute:
			result := p.jobs[0]
			p.jobs = p.jobs[1:]
			p.step(ike.Computed{ID: action.ID, Result: result})
		case ike.Install:
			p.sas[action.SA.SPI] = action.SA
		case ike.Report:
			if action.Fault != nil {
				p.t.Fatalf("%v: %v", action.Kind, action.Fault)
			}
		}
	}
}

// hear delivers a recorded datagram and returns what we answer, if anything.
func (p *replay) hear(data []byte) []byte {
	p.t.Helper()
	p.sent = nil
	p.step(ike.Packet{
		Local: netip.AddrPortFrom(p.s.local.Addr(), p.ports), Remote: netip.AddrPortFrom(p.s.remote.Addr(), p.ports), Data: data,
	})
	if len(p.sent) == 0 {
		return nil
	}
	return p.sent[0]
}

// wantSealed compares an encrypted message of ours with the recorded one.
// strongSwan adds a whole block of padding to what is aligned already, so ours
// is the beginning of it.
func (p *replay) wantSealed(step string, got, want []byte) {
	p.t.Helper()
	block := p.s.secrets.cbc.BlockSize()
	if extra := len(want) - len(got); len(got) == 0 || extra != 0 && extra != block {
		p.t.Fatalf("%s has %d bytes instead of %d", step, len(got), len(want))
	}
	body := isakmp.HeaderSize
	if !bytes.Equal(got[:body-4], want[:body-4]) || !bytes.Equal(got[body:], want[body:len(got)]) {
		p.t.Fatalf("%s is\n%x instead of\n%x", step, got, want)
	}
}

// lastBlock is the IV that a recorded message leaves.
func (p *replay) lastBlock(data []byte) []byte {
	return data[len(data)-p.s.secrets.cbc.BlockSize():]
}

// wantKeys compares the SAs that we installed with the recorded keys.
func (p *replay) wantKeys() {
	p.t.Helper()
	for _, want := range []struct{ spi, keys []byte }{{p.r.spiI, p.r.keysToI}, {p.r.spiR, p.r.keysToR}} {
		spi, _ := validSPI(want.spi)
		sa, ok := p.sas[spi]
		got := append(append([]byte(nil), sa.EncKey.Open()...), sa.AuthKey.Open()...)
		if !ok || !bytes.HasPrefix(got, want.keys[:min(len(got), len(want.keys))]) || len(got) == 0 {
			p.t.Fatalf("SA %x has the keys %x instead of %x", want.spi, got, want.keys)
		}
	}
}

// vendorXAuth is what strongSwan announces first of all.
var vendorXAuth = []byte{0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12}

func samePayload(a, b isakmp.Payload) bool { return a.Type == b.Type && bytes.Equal(a.Body, b.Body) }

// What strongSwan's responder answered, ours answers byte for byte, given the
// same chance. Message 2 has no vendor id of XAUTH; the last payload of message
// 4 is a hash that strongSwan makes up to force UDP encapsulation.
func TestRecordedResponder(t *testing.T) {
	for _, r := range conversations(t, ike.Main) {
		t.Run(r.name, func(t *testing.T) {
			p, env := newReplay(t, r, r.spiR, r.ckyR, r.nr, nil, r.quickNonce(1), nil)
			p.jobs = []computed{{public: r.gxr, shared: r.gxy}, {public: r.pfs(1), shared: r.qmSecret}}
			sel := r.networks(t)
			peer := r.peer(r.responder, r.initiator, xfrm.Selector{Local: sel.Remote, Remote: sel.Local})
			p.s = NewResponder(env, []*ike.Peer{&peer}, netip.AddrPortFrom(r.responder, 500), netip.AddrPortFrom(r.initiator, 500))

			want, _, _ := isakmp.Chain(isakmp.SA, r.main[1][isakmp.HeaderSize:])
			got, _, _ := isakmp.Chain(isakmp.SA, p.hear(r.main[0])[isakmp.HeaderSize:])
			want = slices.DeleteFunc(want, func(p isakmp.Payload) bool { return bytes.Equal(p.Body, vendorXAuth) })
			if !slices.EqualFunc(got, want, samePayload) {
				t.Fatalf("message 2 is %v instead of %v", got, want)
			}
			n := len(r.main[3]) - r.ike.Hash.Size()
			if got := p.hear(r.main[2]); len(got) != len(r.main[3]) || !bytes.Equal(got[:n], r.main[3][:n]) {
				t.Fatalf("message 4 is\n%x instead of\n%x", got, r.main[3])
			}
			p.ports = xfrm.PortNATT
			got6 := p.hear(r.main[4])
			p.wantSealed("message 6", got6, r.main[5])
			p.s.iv = p.lastBlock(r.main[5])
			qm2 := p.hear(r.quick[0])
			p.wantSealed("QM2", qm2, r.quick[1])
			for _, q := range p.s.quicks {
				q.iv = p.lastBlock(r.quick[1])
			}
			p.hear(r.quick[2])
			p.wantKeys()
		})
	}
}

// The initiator's messages are strongSwan's too, but for the way it writes
// lifetimes in its offers.
func TestRecordedInitiator(t *testing.T) {
	for _, r := range conversations(t, ike.Main) {
		t.Run(r.name, func(t *testing.T) {
			mid := r.quick[0][20:24]
			draws := [][]byte{r.ckyI, r.ni, nil, mid, r.quickNonce(0), nil}
			p, env := newReplay(t, r, r.spiI, draws...)
			p.jobs = []computed{{public: r.gxi}, {shared: r.gxy}, {public: r.pfs(0)}, {shared: r.qmSecret}}
			sel := r.networks(t)
			peer := r.peer(r.initiator, r.responder, sel)
			p.s = NewInitiator(env, &peer, netip.AddrPortFrom(r.initiator, 500), netip.AddrPortFrom(r.responder, 500), contact)
			p.step(ike.Negotiate{Child: peer.Children[0]})
			p.s.phase1.offer = r.offer

			n := len(r.main[2]) - r.ike.Hash.Size()
			if got := p.hear(r.main[1]); len(got) != len(r.main[2]) || !bytes.Equal(got[:n], r.main[2][:n]) {
				t.Fatalf("message 3 is\n%x instead of\n%x", got, r.main[2])
			}
			p.wantSealed("message 5", p.hear(r.main[3]), r.main[4])
			p.ports = xfrm.PortNATT
			p.s.iv = p.lastBlock(r.main[4])
			p.hear(r.main[5])
			for _, q := range p.s.quicks {
				q.iv = p.lastBlock(r.quick[0])
			}
			p.wantSealed("QM3", p.hear(r.quick[1]), r.quick[2])
			p.wantKeys()
		})
	}
}

// aggressivePeers are the configurations of the two recorded ends.
func (r recorded) aggressivePeers(t *testing.T) (i, o ike.Peer) {
	sel := r.networks(t)
	i = r.peer(r.initiator, r.responder, sel)
	o = r.peer(r.responder, r.initiator, xfrm.Selector{Local: sel.Remote, Remote: sel.Local})
	i.LocalID, i.RemoteID = r.identities(t)
	o.LocalID, o.RemoteID = i.RemoteID, i.LocalID
	return i, o
}

// Aggressive mode as responder. Vendor ids and the hash that strongSwan makes up to
// force UDP encapsulation are other ones; ours would let the nonce be a shorter
// one than strongSwan's, if message 1 had not some more bytes.
func TestRecordedAggressiveResponder(t *testing.T) {
	for _, r := range conversations(t, ike.Aggressive) {
		t.Run(r.name, func(t *testing.T) {
			p, env := newReplay(t, r, r.spiR, r.ckyR, r.nr, nil, r.quickNonce(1), nil)
			p.jobs = []computed{{public: r.gxr, shared: r.gxy}, {public: r.pfs(1), shared: r.qmSecret}}
			_, peer := r.aggressivePeers(t)
			p.s = NewResponder(env, []*ike.Peer{&peer}, netip.AddrPortFrom(r.responder, 500), netip.AddrPortFrom(r.initiator, 500))

			h, _ := isakmp.ParseHeader(r.main[0])
			am1 := clearMessage(h, append(clearChain(r.main[0]), vendor(make([]byte, 60))))
			got, want := clearChain(p.hear(am1)), clearChain(r.main[1])
			for _, kind := range []isakmp.PayloadType{isakmp.SA, isakmp.KE, isakmp.Nonce, isakmp.ID, isakmp.Hash, isakmp.NATD} {
				ours, _ := isakmp.Find(got, kind)
				theirs, ok := isakmp.Find(want, kind)
				if !ok || !bytes.Equal(ours, theirs) {
					t.Fatalf("payload %d of message 2 is\n%x instead of\n%x", kind, ours, theirs)
				}
			}
			p.ports = xfrm.PortNATT
			p.hear(r.main[2])
			if !p.s.Established() || !p.s.floated() || !bytes.Equal(p.s.iv, p.lastBlock(r.main[2])) {
				t.Fatalf("message 3 leaves %+v", p.s.status)
			}
			qm2 := p.hear(r.quick[0])
			p.wantSealed("QM2", qm2, r.quick[1])
			for _, q := range p.s.quicks {
				q.iv = p.lastBlock(r.quick[1])
			}
			p.hear(r.quick[2])
			p.wantKeys()
		})
	}
}

// Aggressive mode as initiator. Message 3 is strongSwan's up to the block where its
// own made-up hash begins.
func TestRecordedAggressiveInitiator(t *testing.T) {
	for _, r := range conversations(t, ike.Aggressive) {
		t.Run(r.name, func(t *testing.T) {
			mid := r.quick[0][20:24]
			p, env := newReplay(t, r, r.spiI, r.ckyI, r.ni, nil, mid, r.quickNonce(0), nil)
			p.jobs = []computed{{public: r.gxi}, {shared: r.gxy}, {public: r.pfs(0)}, {shared: r.qmSecret}}
			peer, _ := r.aggressivePeers(t)
			p.s = NewInitiator(env, &peer, netip.AddrPortFrom(r.initiator, 500), netip.AddrPortFrom(r.responder, 500), func() bool { return false })
			p.step(ike.Negotiate{Child: peer.Children[0]})
			got, want := clearChain(p.sent[0]), clearChain(r.main[0])
			for i, ours := range got[1:4] {
				if theirs := want[1+i]; ours.Type != theirs.Type || !bytes.Equal(ours.Body, theirs.Body) {
					t.Fatalf("payload %d of message 1 is\n%x instead of\n%x", i+2, ours.Body, theirs.Body)
				}
			}
			p.s.phase1.offer = r.offer

			hashes := 2 * (payloadHeader + r.ike.Hash.Size()) / 16 * 16 // HASH_I and the peer's NAT-D, in blocks
			am3 := p.hear(r.main[1])
			if n := isakmp.HeaderSize + hashes; len(am3) > len(r.main[2]) || !bytes.Equal(am3[:24], r.main[2][:24]) || !bytes.Equal(am3[28:n], r.main[2][28:n]) {
				t.Fatalf("message 3 is\n%x instead of\n%x", am3, r.main[2])
			}
			p.ports, p.s.pause = xfrm.PortNATT, zeroTime
			p.step(ike.Tick{})
			for _, q := range p.s.quicks {
				q.iv = p.lastBlock(r.quick[0])
			}
			p.wantSealed("QM3", p.hear(r.quick[1]), r.quick[2])
			p.wantKeys()
		})
	}
}
