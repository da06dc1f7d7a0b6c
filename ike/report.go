package ike

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Kind is what a Report is about.
type Kind uint8

// The kinds of Report.
const (
	MessageIn        Kind = iota + 1 // a message was accepted; Exchange, Step, Bytes
	MessageOut                       // a message was sent for the first time; Exchange, Step, Bytes
	Resent                           // the last message was sent again; Try
	SessionUp                        // phase 1 is done; Session
	SessionDown                      // the session ended; Fault says why when it was not asked for
	ChildUp                          // both SAs of a pair stand; Child
	ChildFailed                      // a quick mode failed; Sel, Initiator, Fault
	ChildDown                        // a pair's SAs are gone; Child, Fault
	PeerDeleted                      // the peer deleted the SA that it names SPI; engine only
	Refused                          // we refused what the peer offered, or ignored what it sent; Fault
	TunnelChanged                    // a tunnel's State changed; State, Fault
	PeerRestarted                    // the peer says that it holds nothing else of ours (INITIAL-CONTACT)
	PeerMoved                        // an authenticated message came from elsewhere; Remote is where the peer is now
	PeerClosed                       // the peer deleted another ISAKMP SA of its own: Cookies; engine only
	ChildUnconfirmed                 // the peer began a quick mode and did not end it; Sel, SPI, Fault
	SessionChanged                   // what is known of an established session has changed; Session
)

var kinds = [...]string{
	MessageIn: "message in", MessageOut: "message out", Resent: "resent", SessionUp: "session up",
	SessionDown: "session down", ChildUp: "child up", ChildFailed: "child failed", ChildDown: "child down",
	PeerDeleted: "peer deleted", Refused: "refused", TunnelChanged: "tunnel changed",
	PeerRestarted: "peer restarted", PeerMoved: "peer moved", PeerClosed: "peer closed",
	ChildUnconfirmed: "child unconfirmed", SessionChanged: "session changed",
}

func (k Kind) String() string {
	if int(k) < len(kinds) && kinds[k] != "" {
		return kinds[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Report tells what happened. Which fields are set depends on Kind.
type Report struct {
	Kind          Kind
	Tunnel        string // empty while the peer is not known
	Local, Remote netip.AddrPort
	Cookies       Cookies
	Exchange      string // "main mode", "quick mode", "informational"
	Step          string // "MM1", "QM2", "DELETE"
	Bytes         int
	Try           int
	SPI           uint32
	Sel           xfrm.Selector
	Initiator     bool // we began the quick mode
	Child         *ChildSA
	Session       *SessionStatus
	State         State
	Fault         *Fault
}

// Cause is the class of a Fault, for counters and for those that branch on it.
type Cause uint8

// The classes of faults.
const (
	CauseTimeout   Cause = iota + 1 // no answer
	CauseProposal                   // no proposal in common
	CauseAuth                       // the pre-shared keys differ
	CauseIdentity                   // the peer calls itself otherwise
	CauseSelectors                  // no such pair of networks
	CausePFS                        // one side wants PFS, or another group
	CauseNotify                     // the peer sent an error notification
	CauseMalformed                  // the message broke the protocol
	CauseDataPlane                  // the SA could not be installed
	CauseDeleted                    // the peer deleted it
	CauseExpired                    // its lifetime ended
	CauseAsked                      // an operator or a change of the configuration asked for it
	CauseUnknown                    // nobody is configured with that address
	CauseLimit                      // a bound against floods was reached
	CauseDead                       // dead peer detection had no answer
	CauseMode                       // main mode meets aggressive mode
	CauseVersion                    // the peer speaks IKEv2 only
	CauseLifetime                   // the peer insists on another lifetime
	CauseResolve                    // the peer's name has no address
	CauseSilent                     // SAs stand, and nothing comes back through them
)

var causes = [...]string{
	CauseTimeout: "timeout", CauseProposal: "proposal", CauseAuth: "authentication", CauseIdentity: "identity",
	CauseSelectors: "selectors", CausePFS: "pfs", CauseNotify: "notify", CauseMalformed: "malformed",
	CauseDataPlane: "data plane", CauseDeleted: "deleted", CauseExpired: "expired", CauseAsked: "asked",
	CauseUnknown: "unknown peer", CauseLimit: "limit", CauseDead: "dead peer", CauseMode: "mode",
	CauseVersion: "version", CauseLifetime: "lifetime", CauseResolve: "name", CauseSilent: "nothing comes back",
}

func (c Cause) String() string {
	if int(c) < len(causes) && causes[c] != "" {
		return causes[c]
	}
	return fmt.Sprintf("cause(%d)", uint8(c))
}

// Parameter is one thing that both ends must agree on, as each of them has it.
type Parameter struct {
	Name         string // the key of the configuration: "ike.dh_group", "spd.local", "ike.mode"
	Ours, Theirs string // "" where it is not known
	Agrees       bool
}

// Fault says what went wrong, in the words of the configuration: what we have,
// what the peer has, and what to change.
type Fault struct {
	Cause        Cause
	Text         string // one sentence without a full stop
	Ours, Theirs string // the values that differ, "" where that is not the point
	Advice       string // what to change here, "" when there is nothing
	PeerAdvice   string // what to change at the peer instead, "" when there is nothing
	// Compared is what we want against what the peer wants: of several
	// proposals, the two that differ least. Empty where nothing was compared.
	Compared []Parameter
}

// Error is all of it on one line.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Text)
	if f.Ours != "" || f.Theirs != "" {
		fmt.Fprintf(&b, " (ours: %s; theirs: %s)", orNone(f.Ours), orNone(f.Theirs))
	}
	switch {
	case f.Advice != "":
		b.WriteString("; " + f.Advice)
	case f.PeerAdvice != "":
		b.WriteString("; at the peer: " + f.PeerAdvice)
	}
	return b.String()
}

// Key is the configuration's key that is to blame: the only one that does not
// agree, or the first of those of which the peer's value is known. It is "" where
// several come into question and the peer does not tell.
func (f *Fault) Key() string {
	differ := slices.DeleteFunc(slices.Clone(f.Compared), func(p Parameter) bool { return p.Agrees })
	if len(differ) == 1 {
		return differ[0].Name
	}
	if i := slices.IndexFunc(differ, func(p Parameter) bool { return p.Theirs != "" }); i >= 0 {
		return differ[i].Name
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// State is a tunnel's state, one word of a closed set.
type State uint8

// The states of a tunnel.
const (
	Down        State = iota + 1 // nothing stands, nothing is going on
	Negotiating                  // nothing stands yet
	PartlyUp                     // some pairs have SAs
	Up                           // every pair has SAs, and nothing says that they carry nothing
	Disabled                     // an operator took it down
	Silent                       // every pair has SAs, and nothing comes back through them
)

var states = [...]string{
	Down: "down", Negotiating: "negotiating", PartlyUp: "partly up", Up: "up", Disabled: "disabled",
	Silent: "established, nothing comes back",
}

func (s State) String() string {
	if int(s) < len(states) && states[s] != "" {
		return states[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Status is what a tunnel is doing.
type Status struct {
	Tunnel  string
	State   State
	Since   time.Time // of State
	Fault   *Fault    // the last one, nil once all is up
	Try     int       // failed negotiations in a row
	NextTry time.Time // zero: none planned
	Pairs   []PairStatus
	Session *SessionStatus // the newest established one, or nil
}

// PairStatus is one selector pair of a tunnel. Child is nil while it is down.
type PairStatus struct {
	Sel   xfrm.Selector
	Since time.Time // of being up or down
	Child *ChildSA
	Renew time.Time // when the child is to be replaced
	Mute  bool      // we send, and for a while nothing has come back
}

// SessionStatus is an established ISAKMP SA.
type SessionStatus struct {
	Cookies       Cookies
	Local, Remote netip.AddrPort
	Initiator     bool
	Mode          Mode
	Proposal      Proposal
	PeerID        string
	OldKey        bool   // the peer still uses an older pre-shared key
	NAT           string // "", "here", "there", "both": where a translator sits
	Established   time.Time
	Renew         time.Time // when to begin the session that replaces it; zero: not by us
	Expires       time.Time
}
