// Package ike holds the words of the key exchange: Peer, Child, Proposal,
// Input, Action, Session, Report and Status. It is pure, and so is everything
// below it: no socket, no clock, no kernel and no log. Time, chance and what
// happened come in as arguments; what to do comes out as Actions.
package ike

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Group is a Diffie-Hellman group by its IANA number, the same in IKEv1 and
// IKEv2. 0 is none: no PFS.
type Group uint16

func (g Group) String() string {
	if g == 0 {
		return "none"
	}
	return "group" + strconv.Itoa(int(g))
}

// Proposal is one algorithm of each kind. For phase 1 Hash is the hash and PRF
// and Group the exchange's group; for ESP Hash is the integrity algorithm and
// Group is that of PFS, 0 for none.
type Proposal struct {
	Cipher  xfrm.Cipher
	KeyBits int // with AES, else 0
	Hash    xfrm.Hash
	Group   Group
}

// Suite is the part of an ESP proposal that the data plane needs.
func (p Proposal) Suite() xfrm.Suite {
	return xfrm.Suite{Cipher: p.Cipher, KeyBits: p.KeyBits, Hash: p.Hash}
}

// String is "aes256-sha1-group14"; without a group, "aes256-sha1".
func (p Proposal) String() string {
	if p.Group == 0 {
		return p.Suite().String()
	}
	return fmt.Sprintf("%v-%v", p.Suite(), p.Group)
}

// IDKind is the kind of a phase 1 identity.
type IDKind uint8

// The identities of the configuration: ADDRESS and FQDN.
const (
	IDAddress IDKind = iota + 1
	IDFQDN
)

// ID is a phase 1 identity (RFC 2407 §4.6.2).
type ID struct {
	Kind IDKind
	Text string // an address in its canonical form, or a name
}

// AddressID is the identity of an address.
func AddressID(a netip.Addr) ID { return ID{IDAddress, a.String()} }

func (id ID) String() string { return id.Text }

// Mode is how phase 1 is done.
type Mode uint8

// The modes of phase 1.
const (
	Main Mode = iota + 1
	Aggressive
)

func (m Mode) String() string {
	switch m {
	case Main:
		return "main mode"
	case Aggressive:
		return "aggressive mode"
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// Start says who begins, and when.
type Start uint8

// When a tunnel is negotiated.
const (
	Active      Start = iota + 1 // at once, and again whenever it is down
	Passive                      // only when the peer begins
	FlowTrigger                  // when a packet asks for it
)

func (s Start) String() string {
	switch s {
	case Active:
		return "active"
	case Passive:
		return "passive"
	case FlowTrigger:
		return "flow_trigger"
	}
	return fmt.Sprintf("start(%d)", uint8(s))
}

// Lifetime ends an SA at whichever comes first. For phase 1 KB is 0: none.
type Lifetime struct {
	Time time.Duration // whole seconds
	KB   uint64        // kilobytes of 1024 bytes
}

// Min is the shorter of each.
func (l Lifetime) Min(o Lifetime) Lifetime {
	if o.Time != 0 && (l.Time == 0 || o.Time < l.Time) {
		l.Time = o.Time
	}
	if o.KB != 0 && (l.KB == 0 || o.KB < l.KB) {
		l.KB = o.KB
	}
	return l
}

// Child is one selector pair of a tunnel: one quick mode, one pair of SAs.
type Child struct {
	Sel       xfrm.Selector
	ReqID     uint32     // ties the SAs to the pair's policy
	Proposals []Proposal // best first; all have the same Group
	Lifetime  Lifetime
}

// Peer is all that negotiation needs to know of a tunnel.
type Peer struct {
	Name              string // the tunnel's
	Local, Remote     netip.Addr
	LocalID, RemoteID ID
	PSK               xfrm.Secret
	Mode              Mode
	Start             Start
	Proposals         []Proposal // phase 1, best first
	Lifetime          Lifetime   // phase 1
	Children          []Child
	IfID              uint32
}

// Cookies name an ISAKMP SA (RFC 2408 §2.5.3).
type Cookies struct{ Initiator, Responder [8]byte }

func (c Cookies) String() string { return fmt.Sprintf("%x_i %x_r", c.Initiator, c.Responder) }

// ChildSA is a pair of ESP SAs that stands.
type ChildSA struct {
	Sel           xfrm.Selector
	ReqID         uint32
	SPIIn, SPIOut uint32
	Local, Remote netip.AddrPort // outer addresses; ports are those of UDP encapsulation, else 0
	Proposal      Proposal
	Lifetime      Lifetime // negotiated: the shorter of ours and theirs
	Initiator     bool     // we began the quick mode
}

// Input is what happened. Packet, Tick, Computed, Failed and Used go to the
// engine and on to the session concerned; Configure, Initiate, Close,
// LimitReached and Acquired go to the engine only; Negotiate, DeleteChild and
// CloseSession go from the engine to a session.
type Input interface{ input() }

// Packet is one IKE datagram, without the non-ESP marker. One on our port 4500
// had the marker.
type Packet struct {
	Local, Remote netip.AddrPort
	Data          []byte // the receiver may keep it
}

// Tick says that the time of Wake has come.
type Tick struct{}

// Computed is the result of a Compute.
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
// said: an implicit third message of its quick mode, or a sign of life of a
// child in doubt.
type Used struct{ SPI uint32 }

// Negotiate asks a session for a quick mode. Urgent ones, those with traffic
// waiting, go before others that wait for a place in the window.
type Negotiate struct {
	Child  Child
	Urgent bool
}

// DeleteChild asks a session to tell the peer that our inbound SA is gone.
type DeleteChild struct{ SPI uint32 }

// CloseSession asks a session to tell the peer that it ends, and to end.
type CloseSession struct{}

func (Packet) input()       {}
func (Tick) input()         {}
func (Computed) input()     {}
func (Failed) input()       {}
func (Configure) input()    {}
func (Initiate) input()     {}
func (Close) input()        {}
func (LimitReached) input() {}
func (Acquired) input()     {}
func (Used) input()         {}
func (Negotiate) input()    {}
func (DeleteChild) input()  {}
func (CloseSession) input() {}

// Action is what to do: Send, Keepalive, Compute, Install, Remove or Report. A
// list of Actions is obeyed in order.
type Action interface{ action() }

// Send sends one IKE datagram. From our port 4500 the non-ESP marker goes in
// front. Data is never changed after: a resend is the same bytes.
type Send struct {
	Local, Remote netip.AddrPort
	Data          []byte
	Needs         uint32 // an SPI that must have been installed, 0 for none
}

// Compute runs Do away from the loop and comes back as Computed. Do is pure
// and takes about a millisecond: Diffie-Hellman.
type Compute struct {
	ID uint64
	Do func() any
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

func (Send) action()      {}
func (Compute) action()   {}
func (Install) action()   {}
func (Remove) action()    {}
func (Keepalive) action() {}
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
