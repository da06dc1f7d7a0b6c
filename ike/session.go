package ike

import (
	"io"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Input is what happened. Packet, Tick, Computed, Failed, Used and Moved go to
// the engine and on to the session concerned; Configure, Initiate, Close,
// Rekey, LimitReached, Acquired, Sent, Resolved and Probed go to the engine
// only; Begin, Superseded, Negotiate, DeleteChild, ChildGone and CloseSession
// go from the engine to a session.
type Input interface{ input() }

// Packet is one IKE datagram, without the non-ESP marker. One on our port 4500
// had the marker.
type Packet struct {
	Local, Remote netip.AddrPort
	Data          []byte // the receiver may keep it
}

// Tick says that the time of Wake has come.
type Tick struct{}

// Computed is the result of a Compute, nil for one that was dropped.
type Computed struct {
	ID     uint64
	Result any
}

// Failed says that an Install was not obeyed. The Sends that needed it were
// not obeyed either. A session hears it too of an SA that was gone before its
// quick mode was done.
type Failed struct {
	SPI uint32
	Err error
}

// Configure makes the peers those of Peers: new ones start, changed ones
// restart, absent ones are closed, equal ones are not touched.
type Configure struct{ Peers []Peer }

// Initiate asks for a tunnel to be up, whatever its Start says.
type Initiate struct{ Tunnel string }

// Close asks for a tunnel to be down until Initiate or Configure say otherwise.
type Close struct{ Tunnel string }

// Rekey asks for a new session, for new children, or for both, beside those that
// stand. A valid Sel names the one pair that is meant.
type Rekey struct {
	Tunnel     string
	IKE, IPsec bool
	Sel        xfrm.Selector
}

// LimitReached says that an SA reached a limit. After a Hard one it is gone.
type LimitReached struct {
	SPI   uint32
	Dst   netip.Addr
	ReqID uint32
	Hard  bool
}

// Acquired says that a packet asked for the pair with this ReqID.
type Acquired struct {
	ReqID  uint32
	Packet xfrm.Selector
}

// Used says that authenticated ESP came in on an SPI of ours since it was last
// said: an implicit third message of its quick mode, or a sign of life of the
// peer and of the child. A session hears it without an SPI when the peer has given
// another sign of life.
type Used struct{ SPI uint32 }

// Sent says that packets went out on an SA since it was last said.
type Sent struct {
	SPI uint32
	Dst netip.Addr
}

// Moved says that authenticated ESP in UDP came in on an SPI of ours from
// another address or port than the peer had (RFC 3948 §5).
type Moved struct {
	SPI  uint32
	From netip.AddrPort
}

// Resolved answers Resolve.
type Resolved struct {
	Tunnel string
	Addrs  []netip.Addr // of the host, in the order of preference
	Err    error        // says what to do
}

// Probed says what the probe through a tunnel has found out: that packets come
// back or do not. It is said again at each round of the probe.
type Probed struct {
	Tunnel  string
	Passing bool
}

// Begin asks a new session for phase 1 alone: it replaces one that grows old.
type Begin struct{}

// Superseded says that another session with the peer stands: this one no longer
// asks whether the peer is there.
type Superseded struct{}

// Negotiate asks a session for a quick mode. Urgent ones, those with traffic
// waiting, go before others that wait for a place in the window.
type Negotiate struct {
	Child  Child
	Urgent bool
}

// DeleteChild asks a session to tell the peer that inbound SAs of ours are gone.
type DeleteChild struct{ SPIs []uint32 }

// ChildGone tells a session that our inbound SA, which a quick mode under it may
// have made, is gone: it confirms that quick mode no more.
type ChildGone struct{ SPI uint32 }

// CloseSession asks a session to tell the peer that it ends, and to end.
type CloseSession struct{}

func (Packet) input()       {}
func (Tick) input()         {}
func (Computed) input()     {}
func (Failed) input()       {}
func (Configure) input()    {}
func (Initiate) input()     {}
func (Close) input()        {}
func (Rekey) input()        {}
func (LimitReached) input() {}
func (Acquired) input()     {}
func (Used) input()         {}
func (Sent) input()         {}
func (Moved) input()        {}
func (Resolved) input()     {}
func (Probed) input()       {}
func (Begin) input()        {}
func (Superseded) input()   {}
func (Negotiate) input()    {}
func (DeleteChild) input()  {}
func (ChildGone) input()    {}
func (CloseSession) input() {}

// Action is what to do: Send, Keepalive, Compute, Install, Remove, Follow,
// Locate, Resolve or Report. A list of Actions is obeyed in order.
type Action interface{ action() }

// Send sends one IKE datagram. From our port 4500 the non-ESP marker goes in
// front. Data is never changed after: a resend is the same bytes.
type Send struct {
	Local, Remote netip.AddrPort
	Data          []byte
	Needs         uint32 // an SPI that must have been installed, 0 for none
}

// Standing is what the peer of a session has shown of itself.
type Standing uint8

// The standings, the best first.
const (
	Known    Standing = iota // we began the session, or have authenticated the peer
	Proven                   // the peer has used our cookie: its address is real
	Unproven                 // its address may be forged
)

// Compute runs Do away from the loop and comes back as Computed. Do is pure
// and takes about a millisecond: Diffie-Hellman. Those of strangers come last,
// and are dropped when there are too many.
type Compute struct {
	ID  uint64
	Do  func() any
	For Standing // whom it is for: those who have shown less wait for the others
}

// Install adds an SA to the data plane.
type Install struct{ SA xfrm.SA }

// Keepalive sends the single byte 0xFF that keeps a translator's mapping alive
// (RFC 3948 §4), from our port 4500 and without the non-ESP marker.
type Keepalive struct{ Local, Remote netip.AddrPort }

// Remove takes an SA out of the data plane; absent is success.
type Remove struct {
	SPI uint32
	Dst netip.Addr
}

// Follow changes the UDP ports of an SA that stands: a translator has given the
// peer another one. An SA that is gone is no error.
type Follow struct {
	SPI   uint32
	Dst   netip.Addr
	Encap xfrm.Encap
}

// Locate says where the peer of a tunnel is from now on, for the policies of its
// pairs; it precedes the first Install that needs it. An invalid Remote says that
// it is not known any more.
type Locate struct {
	Tunnel string
	Remote netip.Addr
}

// Resolve asks for the addresses of a host and comes back as Resolved.
type Resolve struct{ Tunnel, Host string }

func (Send) action()      {}
func (Compute) action()   {}
func (Install) action()   {}
func (Remove) action()    {}
func (Keepalive) action() {}
func (Follow) action()    {}
func (Locate) action()    {}
func (Resolve) action()   {}
func (Report) action()    {}

// Session is one ISAKMP SA, in negotiation or established, and the exchanges
// under it. It ends by a Report of kind SessionDown; after it Step is not
// called again.
type Session interface {
	Step(now time.Time, in Input) []Action
	// Wake is when Tick is wanted, false for never.
	Wake() (time.Time, bool)
	// Cookies name the session; the responder's is zero until known.
	Cookies() Cookies
	// Established tells that phase 1 is done and not yet closed.
	Established() bool
}

// Env is what the sessions of one engine share.
type Env struct {
	Rand io.Reader     // chance; never fails
	SPI  func() uint32 // a new inbound SPI, unique among ours, never below xfrm.MinSPI
	ID   func() uint64 // a new Compute id
}
