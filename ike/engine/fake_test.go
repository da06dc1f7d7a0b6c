package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("198.51.100.1")
	begun = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// dice is chance that repeats itself.
type dice struct{ *rand.ChaCha8 }

func (d dice) Read(b []byte) (int, error) { return d.ChaCha8.Read(b) }

// fake is a session that does what the test tells it, and remembers what it was
// given.
type fake struct {
	t          *testing.T
	env        *ike.Env
	peer       string
	keys       []xfrm.Secret // the first is the one that we begin with
	candidates []*ike.Peer
	cookies    ike.Cookies
	contact    func() bool
	progressed bool
	up         bool
	wake       time.Time
	got        []ike.Input
	says       []ike.Action // in its next Step
	spi        bool         // its next Step draws an SPI
	drew       uint32
}

func (f *fake) Step(_ time.Time, in ike.Input) []ike.Action {
	f.got = append(f.got, in)
	if f.spi {
		f.drew, f.spi = f.env.SPI(), false
	}
	says := f.says
	f.says = nil
	if _, closes := in.(ike.CloseSession); closes {
		says = append(says, ike.Send{Data: []byte("goodbye")}, ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseAsked}})
	}
	return says
}

func (f *fake) Wake() (time.Time, bool) { return f.wake, !f.wake.IsZero() }
func (f *fake) Cookies() ike.Cookies    { return f.cookies }
func (f *fake) Established() bool       { return f.up }
func (f *fake) Peer() string            { return f.peer }
func (f *fake) Progressed() bool        { return f.progressed }

// last is the kind of what the session was given last.
func (f *fake) last() string {
	if len(f.got) == 0 {
		return "nothing"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", f.got[len(f.got)-1]), "ike.")
}

// bench is an engine over fakes.
type bench struct {
	*Engine
	t     *testing.T
	now   time.Time
	fakes []*fake // in the order in which the engine made them
	out   []ike.Action
	// refuses makes responders end in their first Step.
	refuses bool
}

func newBench(t *testing.T, o Options) *bench {
	o.Rand = dice{rand.NewChaCha8([32]byte{1})}
	b := &bench{Engine: New(o), t: t, now: begun}
	b.newInitiator = func(env *ike.Env, p *ike.Peer, _, _ netip.AddrPort, contact func() bool) carrier {
		f := &fake{t: t, env: env, peer: p.Name, keys: p.Keys, contact: contact}
		binary.BigEndian.PutUint64(f.cookies.Initiator[:], 0xa000+uint64(len(b.fakes)))
		b.fakes = append(b.fakes, f)
		return f
	}
	b.newResponder = func(env *ike.Env, candidates []*ike.Peer, _, _ netip.AddrPort) carrier {
		f := &fake{t: t, env: env, candidates: candidates}
		binary.BigEndian.PutUint64(f.cookies.Responder[:], 0xb000+uint64(len(b.fakes)))
		if b.refuses {
			f.says = []ike.Action{ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseProposal}}}
		}
		b.fakes = append(b.fakes, f)
		return f
	}
	return b
}

// tell gives the engine an input.
func (b *bench) tell(in ike.Input) {
	b.t.Helper()
	b.out = b.Engine.Step(b.now, in)
}

// say makes a session say something in a Step of its own.
func (b *bench) say(f *fake, says ...ike.Action) {
	b.t.Helper()
	f.says = says
	f.wake = b.now
	s := b.session(f)
	b.deadlines.set(&s.alarm, alarm{session: s}, f.Wake)
	f.wake = time.Time{}
	b.tell(ike.Tick{})
	if f.says != nil {
		b.t.Fatalf("the session was not stepped, it got %s last", f.last())
	}
}

func (b *bench) session(f *fake) *session {
	b.t.Helper()
	for _, s := range b.byCookie {
		if s.carrier == f {
			return s
		}
	}
	b.t.Fatal("the engine does not have that session")
	return nil
}

// upNow reports that a session stands. A responder says whose it is.
func (b *bench) upNow(f *fake, peer string) {
	b.t.Helper()
	f.peer, f.up, f.progressed = peer, true, true
	b.say(f, ike.Report{Kind: ike.SessionUp, Session: &ike.SessionStatus{Cookies: f.cookies, Established: b.now}})
}

// first gives the engine a first message with a cookie of its own.
func (b *bench) first(cookie uint64, remote netip.Addr) {
	b.t.Helper()
	b.tell(packet(cookie, 0, isakmp.MainMode, remote))
}

func packet(ckyI, ckyR uint64, x isakmp.Exchange, remote netip.Addr) ike.Packet {
	h := isakmp.Header{Exchange: x, Length: isakmp.HeaderSize}
	binary.BigEndian.PutUint64(h.Initiator[:], ckyI)
	binary.BigEndian.PutUint64(h.Responder[:], ckyR)
	return ike.Packet{
		Local: netip.AddrPortFrom(here, 500), Remote: netip.AddrPortFrom(remote, 500), Data: h.Append(nil),
	}
}

func sel(n int) xfrm.Selector {
	return xfrm.Selector{
		Local:  netip.MustParsePrefix(fmt.Sprintf("10.1.%d.0/24", n)),
		Remote: netip.MustParsePrefix(fmt.Sprintf("10.2.%d.0/24", n)),
	}
}

// peerOf is a passive tunnel with n pairs.
func peerOf(name string, remote netip.Addr, n int) ike.Peer {
	p := ike.Peer{
		Name: name, Local: here, Remote: remote, Keys: []xfrm.Secret{xfrm.NewSecret([]byte("key of " + name))},
		Mode: ike.Main, Start: ike.Passive,
	}
	for i := range n {
		p.Children = append(p.Children, ike.Child{Sel: sel(i), ReqID: uint32(100 + i)})
	}
	return p
}

func active(p ike.Peer) ike.Peer {
	p.Start = ike.Active
	return p
}

func child(n int, in, out uint32) *ike.ChildSA {
	return &ike.ChildSA{
		Sel: sel(n), ReqID: uint32(100 + n), SPIIn: in, SPIOut: out, Initiator: true,
		Local: netip.AddrPortFrom(here, 0), Remote: netip.AddrPortFrom(there, 0),
	}
}

// childUp makes a session install both SAs of a child and hand it over.
func (b *bench) childUp(f *fake, c *ike.ChildSA) {
	b.t.Helper()
	b.say(f,
		ike.Install{SA: xfrm.SA{Dir: xfrm.In, SPI: c.SPIIn, Src: there, Dst: here}},
		ike.Install{SA: xfrm.SA{Dir: xfrm.Out, SPI: c.SPIOut, Src: here, Dst: there}},
		ike.Report{Kind: ike.ChildUp, Sel: c.Sel, Child: c})
}

// words are the actions of the last Step, a word each.
func (b *bench) words() string {
	var w []string
	for _, a := range b.out {
		switch a := a.(type) {
		case ike.Report:
			w = append(w, a.Kind.String())
		case ike.Remove:
			w = append(w, fmt.Sprintf("remove %x", a.SPI))
		default:
			w = append(w, strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", a), "ike.")))
		}
	}
	return strings.Join(w, ", ")
}

func (b *bench) wantWords(want string) {
	b.t.Helper()
	if got := b.words(); got != want {
		b.t.Errorf("the engine says %q, wants %q", got, want)
	}
}

func (b *bench) wantState(tunnel string, want ike.State) {
	b.t.Helper()
	i := slices.IndexFunc(b.Status(), func(s ike.Status) bool { return s.Tunnel == tunnel })
	if i < 0 {
		b.t.Fatalf("there is no tunnel %q", tunnel)
	}
	if got := b.Status()[i].State; got != want {
		b.t.Errorf("%q is %v, wants %v", tunnel, got, want)
	}
}

func (b *bench) wantLast(f *fake, want string) {
	b.t.Helper()
	if got := f.last(); got != want {
		b.t.Errorf("the session got %s last, wants %s", got, want)
	}
}
