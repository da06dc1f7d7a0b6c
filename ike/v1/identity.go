package v1

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// identity is a phase 1 identity on the wire. Protocol and port are 0: with
// NAT traversal anything else would be wrong (RFC 3947 §4).
func identity(id ike.ID) isakmp.Identification {
	if id.Kind == ike.IDFQDN {
		return isakmp.Identification{Type: isakmp.FQDN, Data: []byte(id.Text)}
	}
	a, err := netip.ParseAddr(id.Text)
	if err != nil { // the plan holds addresses only; a name is the honest rest
		return isakmp.Identification{Type: isakmp.FQDN, Data: []byte(id.Text)}
	}
	return addressID(a)
}

func addressID(a netip.Addr) isakmp.Identification {
	if a.Is4() {
		return isakmp.Identification{Type: isakmp.IPv4Addr, Data: a.AsSlice()}
	}
	return isakmp.Identification{Type: isakmp.IPv6Addr, Data: a.AsSlice()}
}

// readIdentity reads a phase 1 identity that the configuration can name.
func readIdentity(body []byte) (ike.ID, error) {
	id, err := isakmp.ParseID(body)
	if err != nil {
		return ike.ID{}, err
	}
	switch id.Type {
	case isakmp.IPv4Addr, isakmp.IPv6Addr:
		a, err := address(id.Type == isakmp.IPv6Addr, id.Data)
		if err != nil {
			return ike.ID{}, err
		}
		return ike.AddressID(a), nil
	case isakmp.FQDN, isakmp.UserFQDN:
		return ike.ID{Kind: ike.IDFQDN, Text: string(id.Data)}, nil
	}
	return ike.ID{}, fmt.Errorf("%w: an identity of type %d", isakmp.ErrMalformed, id.Type)
}

// describeID is an identity for people; foreign bytes come quoted.
func describeID(body []byte) string {
	id, err := readIdentity(body)
	switch {
	case err != nil:
		return fmt.Sprintf("%x", body)
	case id.Kind == ike.IDFQDN:
		return strings.Trim(fmt.Sprintf("%q", id.Text), `"`)
	}
	return id.Text
}

// at is a peer that is at an address: without an identity of its own it has that.
func at(p *ike.Peer, addr netip.Addr) *ike.Peer {
	if p.RemoteID != (ike.ID{}) {
		return p
	}
	there := *p
	there.RemoteID = ike.AddressID(addr.Unmap())
	return &there
}

// checkIdentity holds the peer's identity against the one it must have. Names
// are compared without regard to case (RFC 1035 §2.3.3).
func checkIdentity(p *ike.Peer, body []byte) *ike.Fault {
	id, err := readIdentity(body)
	if err == nil && id.Kind == p.RemoteID.Kind && strings.EqualFold(id.Text, p.RemoteID.Text) {
		return nil
	}
	f := &ike.Fault{
		Cause: ike.CauseIdentity, Text: "the peer calls itself otherwise than it should",
		Ours: p.RemoteID.Text, Theirs: describeID(body),
		PeerAdvice: fmt.Sprintf("make %q its own identity", p.RemoteID.Text),
		Compared:   compareIdentity("remote", p.RemoteID, ike.ID{Kind: id.Kind, Text: describeID(body)}),
	}
	in := " in " + table(p.Name, "ike")
	switch {
	case err != nil:
		f.Advice = "give the peer an address or a name (FQDN) as its own identity"
	case id.Kind == ike.IDAddress:
		f.Advice = fmt.Sprintf("write remote_identity = \"ADDRESS\" and remote_address = %q", f.Theirs) + in
	default:
		f.Advice = fmt.Sprintf("write remote_identity = \"FQDN\" and remote_fqdn = %q", f.Theirs) + in
	}
	return f
}

func address(six bool, b []byte) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.Is6() != six {
		return netip.Addr{}, fmt.Errorf("%w: an address of %d bytes", isakmp.ErrMalformed, len(b))
	}
	return a, nil
}
