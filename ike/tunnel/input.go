package tunnel

import (
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Input is what happened to a tunnel.
type Input interface{ input() }

// Tick says that the time of Wake has come, or that the tunnel is new.
type Tick struct{}

// Start asks for the tunnel to be up and to be kept up, whatever its Start
// mode says, and at once, whatever pause a retry would make.
type Start struct{}

// Stop takes the tunnel down until Start. Why is told to those who look.
type Stop struct{ Why *ike.Fault }

// SessionUp says that a session with the peer stands. Initiator tells that we
// began it, Renew when it is to be replaced, zero for not by us.
type SessionUp struct {
	Initiator bool
	Renew     time.Time
}

// SessionAges says that the session that carries the tunnel is to be replaced at
// another time.
type SessionAges struct{ Renew time.Time }

// SessionDown says that a session ended, and with it the negotiations of the
// pairs that it had been asked for and had not finished.
type SessionDown struct {
	Asked    []xfrm.Selector
	Fault    *ike.Fault
	Exchange string // that it ended in, "" for none
	Renewal  bool   // it was to replace another one
	Last     bool   // it stood, and no other one does
}

// ChildUp gives the tunnel a child: both SAs are in the data plane.
type ChildUp struct{ Child ike.ChildSA }

// ChildFailed says that the quick mode that we began for a pair failed.
type ChildFailed struct {
	Sel   xfrm.Selector
	Fault *ike.Fault
}

// Unconfirmed says that the peer began a quick mode for a pair and did not end it: to
// the peer the pair may stand.
type Unconfirmed struct{ Sel xfrm.Selector }

// PeerDeleted says that the peer deleted the child with this SPI: its own
// inbound one, or ours as some Ciscos name it (both are accepted).
type PeerDeleted struct{ SPI uint32 }

// InstallFailed says that an SA of a child did not get into the data plane.
type InstallFailed struct {
	SPI uint32
	Err error
}

// Expired says that an SA reached its hard limit and is gone.
type Expired struct {
	SPI uint32
	Dst netip.Addr
}

// SoftLimit says that an SA has carried nearly as much as it may.
type SoftLimit struct {
	SPI uint32
	Dst netip.Addr
}

// Acquired says that a packet asked for the pair with this ReqID.
type Acquired struct{ ReqID uint32 }

// Rekey asks for a new session, for new children, or for both. A valid Sel
// names the one pair that is meant.
type Rekey struct {
	IKE, IPsec bool
	Sel        xfrm.Selector
}

// Restarted says that the peer has begun anew and holds, by its own words,
// nothing of ours but the session that says so.
type Restarted struct{}

// Used says that the peer sends on the inbound SA with this SPI.
type Used struct{ SPI uint32 }

// Sent says that packets went out on an SA.
type Sent struct {
	SPI uint32
	Dst netip.Addr
}

// Probed says whether packets of the probe come back.
type Probed struct{ Passing bool }

// Moved says where the peer is now; its port counts where ESP goes in UDP.
type Moved struct{ To netip.AddrPort }

// Noted gives the tunnel a fault to show: the peer tried to reach us and could
// not. Proven tells that it was the peer, and nobody who has but its address;
// Ours that it is about a negotiation of ours, whose end will be told as such.
type Noted struct {
	Fault    *ike.Fault
	Exchange string
	Proven   bool
	Ours     bool
}

func (Tick) input()          {}
func (Start) input()         {}
func (Stop) input()          {}
func (SessionUp) input()     {}
func (SessionAges) input()   {}
func (SessionDown) input()   {}
func (ChildUp) input()       {}
func (ChildFailed) input()   {}
func (Unconfirmed) input()   {}
func (PeerDeleted) input()   {}
func (InstallFailed) input() {}
func (Expired) input()       {}
func (Acquired) input()      {}
func (Noted) input()         {}
func (Restarted) input()     {}
func (Used) input()          {}
func (Sent) input()          {}
func (Probed) input()        {}
func (Moved) input()         {}
func (SoftLimit) input()     {}
func (Rekey) input()         {}

// Action is what to do, in order.
type Action interface{ action() }

// Negotiate asks for a quick mode, through a session that stands or a new one.
type Negotiate ike.Negotiate

// Renew asks for a session that replaces the one that stands.
type Renew struct{}

// Delete asks to tell the peer, in one message, that inbound SAs of ours are gone.
type Delete ike.DeleteChild

// Disconnect asks to close every session of the tunnel.
type Disconnect struct{}

// Remove takes an SA out of the data plane.
type Remove ike.Remove

// Follow changes the UDP ports of an SA.
type Follow ike.Follow

// Report tells what happened to the tunnel: ike.ChildDown or ike.TunnelChanged.
type Report ike.Report

func (Negotiate) action()  {}
func (Renew) action()      {}
func (Follow) action()     {}
func (Delete) action()     {}
func (Disconnect) action() {}
func (Remove) action()     {}
func (Report) action()     {}
