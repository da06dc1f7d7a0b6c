package ikesim

import (
	"fmt"

	"github.com/twinspan/twinspan/ike"
)

// describe is a report in a line of the trace, "" for those that say what the
// datagrams say.
func describe(r ike.Report) string {
	line := ""
	switch r.Kind {
	case ike.SessionUp:
		line = fmt.Sprintf("session up, %v, %s", r.Session.Proposal, role(r.Session.Initiator))
		if r.Session.NAT != "" {
			line += ", translator " + r.Session.NAT
		}
	case ike.ChildUp:
		line = fmt.Sprintf("child up %v, %v, %s", r.Child.Sel, r.Child.Proposal, role(r.Child.Initiator))
	case ike.ChildDown:
		line = fmt.Sprintf("child down %v", r.Child.Sel)
	case ike.PeerRestarted:
		line = "the peer says that it began anew"
	case ike.SessionDown, ike.ChildFailed, ike.Refused:
		line = r.Kind.String()
		if r.Kind == ike.ChildFailed {
			line += " " + r.Sel.String()
		}
	case ike.TunnelChanged:
		line = "tunnel " + r.Tunnel + " is " + r.State.String()
	default:
		return ""
	}
	switch {
	case r.Fault == nil:
	case r.Kind == ike.TunnelChanged: // whoever caused it has told the whole
		line += fmt.Sprintf(" [%v]", r.Fault.Cause)
	default:
		line += fmt.Sprintf(" [%v: %v]", r.Fault.Cause, r.Fault)
	}
	return line
}

func role(initiator bool) string {
	if initiator {
		return "we began"
	}
	return "the peer began"
}
