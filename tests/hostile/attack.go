package hostile

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// Case is one shape of attack.
type Case struct {
	Name  string
	Shape string // one line: what is sent, and what it did to others
	run   func(*attack)
	pfs   bool // the attacker's tunnel has PFS
	hasty bool // it is in aggressive mode
	flood bool // a good peer must get through while it goes on
}

// attack is a case that runs. Its chance follows from the seed and its name, so
// it sends the same again, as far as the victim's own chance lets it.
type attack struct {
	*stage
	Case
	t     testing.TB
	n     int
	r     *rand.Rand
	dice  *rand.ChaCha8
	sent  int
	taken []string // what was accepted and must not be
}

// seeded is chance for a seed and a name.
func seeded(seed int, name string) *rand.ChaCha8 {
	return rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d/%s", seed, name)))
}

func newAttack(s *stage, n, seed int, c Case) *attack {
	dice := seeded(seed, c.Name)
	return &attack{stage: s, Case: c, n: n, dice: dice, r: rand.New(dice)}
}

func (a *attack) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// tunnel is the attacker's own.
func (a *attack) tunnel() tunnelTo {
	at := attacker
	switch {
	case a.pfs:
		at = attackerPFS
	case a.hasty:
		at = attackerAM
	}
	for _, t := range tunnels(a.bed.Sites) {
		if t.peer == at {
			return t
		}
	}
	panic("the attacker has no tunnel")
}

// peer is where the attacker sends from to a port of the victim's, as the peer
// that the victim knows.
func (a *attack) peer(port uint16) netip.AddrPort {
	own := firstPort + 2*uint16(a.n)
	if port == portNATT {
		own++
	}
	return netip.AddrPortFrom(a.tunnel().peer, own)
}

// ownStrangers is the network of this case that the victim does not know.
func ownStrangers(n int) netip.Prefix {
	ip := ofCases.Addr().As4()
	ip[2] = byte(n)
	return netip.PrefixFrom(netip.AddrFrom4(ip), 24)
}

// stranger is some address of that network.
func (a *attack) stranger() netip.AddrPort {
	ip := ownStrangers(a.n).Addr().As4()
	ip[3] = byte(1 + a.r.IntN(254))
	return netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(1+a.r.IntN(65535)))
}

// is tells the addresses of a case.
func (a *attack) is(at netip.AddrPort) bool {
	return ownStrangers(a.n).Contains(at.Addr()) || at == a.peer(portIKE) || at == a.peer(portNATT)
}

// isForged tells the addresses that a flood uses and no case owns.
func isForged(at netip.AddrPort) bool {
	return at.Addr() == lateHost.Addr() || strangers.Contains(at.Addr())
}

// window is how many datagrams go before the victim must have taken them: more
// would only overflow its queue.
const window = 200

// send sends a datagram as the configured peer.
func (a *attack) send(data []byte) { a.from(a.peer(portIKE), portIKE, data) }

// from sends a datagram from any address to one of the victim's ports.
func (a *attack) from(src netip.AddrPort, port uint16, data []byte) {
	a.t.Helper()
	a.must(a.wire.send(src, a.port(port), data))
	a.count()
}

// count waits at the end of each window.
func (a *attack) count() {
	a.t.Helper()
	if a.sent++; a.sent%window == 0 {
		a.must(a.fence())
	}
}

// forger is a peer with the key, that has sent nothing yet.
func (a *attack) forger() *forger {
	return newForger(a.wire, a.dice, a.peer(portIKE), a.port(portIKE), a.tunnel().key)
}

// insider is a peer whose phase 1 stands.
func (a *attack) insider() *forger {
	a.t.Helper()
	f := a.forger()
	a.must(f.connect())
	return f
}

// pair are the networks of the attacker's tunnel, its own first.
func (a *attack) pair() (own, theirs netip.Prefix) {
	t := a.tunnel()
	return t.theirs, t.own
}

// quick is a quick mode that the victim should accept.
func (a *attack) quick(f *forger) quick { return f.newQuick(a.pair()) }

// refusedWithin is how long an answer is waited for that must not come.
const refusedWithin = 120 * time.Millisecond

// refused asks for what must not be had; accepted tells the answer that would
// grant it. Silence and notifications are refusals.
func (a *attack) refused(what string, f *forger, question []byte, accepted func(answer []byte) bool) {
	a.t.Helper()
	if _, err := f.ask(question, refusedWithin, accepted); err == nil {
		a.taken = append(a.taken, what)
	}
	a.count()
}

// opening is a first message of a chain, under a new cookie.
func (a *attack) opening(chain ...isakmp.Payload) []byte {
	return clearText(a.header(isakmp.MainMode), chain...)
}

// header is that of a first message.
func (a *attack) header(x isakmp.Exchange) isakmp.Header {
	f := a.forger()
	return isakmp.Header{Initiator: f.cookies.Initiator, Exchange: x}
}

// bytes are n random ones.
func (a *attack) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = a.dice.Read(b) // chance never fails
	return b
}

// mutate spoils a message in one to four places.
func (a *attack) mutate(data []byte) []byte {
	b := slices.Clone(data)
	for range 1 + a.r.IntN(4) {
		at := a.r.IntN(len(b))
		switch a.r.IntN(6) {
		case 0:
			b[at] ^= 1 << a.r.IntN(8)
		case 1:
			b[at] = byte(a.r.Uint32())
		case 2: // a length or count
			if at+2 <= len(b) {
				binary.BigEndian.PutUint16(b[at:], uint16([]int{0, 1, 3, 4, 0xffff, len(b)}[a.r.IntN(6)]))
			}
		case 3: // cut
			b = b[:max(at, 1)]
		case 4: // grow
			b = append(b, make([]byte, a.r.IntN(64))...)
		case 5: // repeat a part
			b = slices.Concat(b[:at], b[at/2:])
		}
	}
	if a.r.IntN(4) > 0 { // a length that fits gets further
		b = fitted(b)
	}
	return b
}

// fitted is a message whose length field is that of its bytes.
func fitted(data []byte) []byte {
	b := slices.Clone(data)
	if len(b) >= isakmp.HeaderSize {
		binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	}
	return b
}

// during runs a flood and, in the midst of it, has a good peer connect.
func (a *attack) during(ctx context.Context, flood func()) time.Duration {
	a.t.Helper()
	type result struct {
		took time.Duration
		err  error
	}
	connected := make(chan result, 1)
	time.AfterFunc(200*time.Millisecond, func() {
		took, err := a.lateConnects(ctx)
		connected <- result{took, err}
	})
	flood()
	r := <-connected
	a.must(r.err)
	return r.took
}

// pace sends n datagrams at a rate per second, however long each takes.
func (a *attack) pace(n, rate int, send func()) {
	const burst = 20
	tick := time.NewTicker(time.Second * burst / time.Duration(rate))
	defer tick.Stop()
	for i := range n {
		if i%burst == 0 {
			<-tick.C
		}
		send()
		a.sent++
	}
}
