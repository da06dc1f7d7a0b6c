// Package ike holds the words of the key exchange: Peer, Child, Proposal,
// Input, Action, Session, Report and Status. It is pure, and so is everything
// below it: no socket, no clock, no kernel and no log. Time, chance and what
// happened come in as arguments; what to do comes out as Actions.
package ike

import (
	"fmt"
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
