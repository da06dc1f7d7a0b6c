// Package ike holds the words of the key exchange: Peer, Child, Proposal,
// Input, Action, Session, Report and Status. It is pure, and so is everything
// below it: no socket, no clock, no kernel and no log. Time, chance and what
// happened come in as arguments; what to do comes out as Actions.
package ike

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
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

// NATT says how NAT traversal is done (RFC 3947, 3948 and their drafts).
type NATT uint8

// The ways of NAT traversal.
const (
	NATTAuto  NATT = iota // the RFC or a draft, as the peer can; ESP goes in UDP where a translator is seen
	NATTRFC               // the RFC alone
	NATTDraft             // drafts 02 and 03 alone
	NATTOff               // none
	NATTForce             // as auto, and ESP goes in UDP with or without a translator
)

func (n NATT) String() string {
	switch n {
	case NATTAuto:
		return "auto"
	case NATTRFC:
		return "rfc"
	case NATTDraft:
		return "draft"
	case NATTOff:
		return "off"
	case NATTForce:
		return "force"
	}
	return fmt.Sprintf("natt(%d)", uint8(n))
}

// DPDAction is what becomes of the children of a peer that is dead.
type DPDAction uint8

// The actions of dead peer detection.
const (
	DPDRestart DPDAction = iota // negotiate again at once, whoever began
	DPDClear                    // take them down; what begins the tunnel begins it again
)

func (a DPDAction) String() string {
	switch a {
	case DPDRestart:
		return "restart"
	case DPDClear:
		return "clear"
	}
	return fmt.Sprintf("dpd action(%d)", uint8(a))
}

// DPD is dead peer detection (RFC 3706). A zero Delay is none.
type DPD struct {
	Delay   time.Duration // without a sign of life, before the peer is asked
	Timeout time.Duration // without an answer, before it is taken for dead
	Action  DPDAction
}

// Peer is all that negotiation needs to know of a tunnel. The peer's address is
// Remote, or what Host is resolved to before each attempt; with neither, the
// peer may come from anywhere, and only it can begin.
type Peer struct {
	Name              string        // the tunnel's
	Local, Remote     netip.Addr    // Remote is invalid while it is not known
	Host              string        // the peer's name in the DNS, or ""
	LocalID, RemoteID ID            // a zero RemoteID is the address that the peer has
	Keys              []xfrm.Secret // pre-shared, at least one, newest first: we begin with the first, and who begins may use any
	Mode              Mode
	Start             Start
	NATT              NATT
	DPD               DPD
	Proposals         []Proposal // phase 1, best first
	Lifetime          Lifetime   // phase 1
	Children          []Child
	IfID              uint32
}

// Anywhere tells that the peer's address is not known until it comes.
func (p Peer) Anywhere() bool { return !p.Remote.IsValid() && p.Host == "" }

// Equal compares two configurations of a tunnel. The keys are compared in
// constant time; reflection sees all else, so that no later field is forgotten.
func (p Peer) Equal(o Peer) bool {
	if !slices.EqualFunc(p.Keys, o.Keys, xfrm.Secret.Equal) {
		return false
	}
	p.Keys, o.Keys = nil, nil
	return reflect.DeepEqual(p, o)
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

// DeleteChild asks a session to tell the peer that our inbound SA is gone.
type DeleteChild struct{ SPI uint32 }

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
