package peerconfig

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// sight is a tunnel as the device on its other side sees it: what is local is
// the device's.
type sight struct {
	tunnel, gateway string // our names
	name            string // for what is made on the device: letters, digits, - and _
	iface           string

	local      netip.Addr // the device's own address; invalid: whatever it has
	remoteSees netip.Addr // the address that we see it at; invalid: any
	remote     netip.Addr // where it reaches our gateway
	ours       netip.Addr // our gateway's own address
	localID    ike.ID     // zero: the device's own address
	remoteID   ike.ID

	aggressive     bool
	begins         bool // the device does, because we do not
	demand         bool // neither side begins without traffic
	natt           ike.NATT
	dpd            ike.DPD
	phase1, phase2 proposal
	life1, life2   int // seconds
	kb             uint64
	pairs          []pair
	secret         xfrm.Secret
	older          int // keys that we accept beside it
	mtu, mbps      int

	peer    ike.Peer      // as we have it
	written config.Tunnel // where it says so
}

// pair is two networks that may talk to each other.
type pair struct{ local, remote netip.Prefix }

// proposal is one of ours and what the device calls its parts.
type proposal struct {
	ike.Proposal
	cipher, hash, group string // in the device's words; no group is no PFS
}

// words are the proposal in the words of our configuration.
func (p proposal) words() string {
	if p.Group == 0 {
		return suite.Words(p.Proposal) + ", no PFS"
	}
	return suite.Words(p.Proposal)
}

// look finds a tunnel and turns it round.
func look(c config.Config, p plan.Plan, w Wanted) (sight, error) {
	at := slices.IndexFunc(p.Peers, func(o ike.Peer) bool { return o.Name == w.Tunnel })
	if at < 0 {
		return sight{}, unknownTunnel(p, w.Tunnel)
	}
	peer, names := p.Peers[at], p.Tunnels[at]
	s := sight{
		tunnel: peer.Name, gateway: names.Gateway, iface: w.Interface, peer: peer,
		name: objectName(peer.Name, w.Device.nameLength),
		ours: peer.Local, remote: peer.Local, remoteSees: peer.Remote, localID: peer.RemoteID, remoteID: peer.LocalID,
		aggressive: peer.Mode == ike.Aggressive, begins: peer.Start == ike.Passive, demand: peer.Start == ike.FlowTrigger,
		natt: peer.NATT, dpd: peer.DPD, life1: int(peer.Lifetime.Time / time.Second),
		life2: int(peer.Children[0].Lifetime.Time / time.Second), kb: peer.Children[0].Lifetime.KB,
		secret: peer.Keys[0], older: len(peer.Keys) - 1,
	}
	if s.iface == "" {
		s.iface = w.Device.Interface
	}
	if w.Gateway.IsValid() {
		s.remote = w.Gateway
	}
	s.local = ownAddress(peer, w.Own)
	for _, child := range peer.Children {
		s.pairs = append(s.pairs, pair{child.Sel.Remote, child.Sel.Local})
	}
	s.addGateway(p, names.Gateway)
	s.written = c.Tunnels[slices.IndexFunc(c.Tunnels, func(t config.Tunnel) bool { return t.Name == w.Tunnel })]
	return s, nil
}

// ownAddress is what the device itself has outside: what we are told, or the
// address that it calls itself, or the one that we see it at.
func ownAddress(peer ike.Peer, told netip.Addr) netip.Addr {
	if told.IsValid() {
		return told
	}
	if peer.RemoteID.Kind == ike.IDAddress {
		if a, err := netip.ParseAddr(peer.RemoteID.Text); err == nil {
			return a
		}
	}
	return peer.Remote
}

// addGateway fills in what a tunnel has of its gateway.
func (s *sight) addGateway(p plan.Plan, name string) {
	at := slices.IndexFunc(p.Gateways, func(g plan.Gateway) bool { return g.Name == name })
	g := p.Gateways[at]
	s.mbps = g.BandwidthMbps
	s.mtu = p.Links[slices.IndexFunc(p.Links, func(l xfrm.Link) bool { return l.Name == g.Device })].MTU
}

func unknownTunnel(p plan.Plan, name string) error {
	var all []string
	for _, t := range p.Tunnels {
		all = append(all, t.Name)
	}
	if near, ok := config.Nearest(name, all); ok {
		return fmt.Errorf("there is no tunnel %q; did you mean %q?", name, near)
	}
	return fmt.Errorf("there is no tunnel %q; the configuration has: %s", name, strings.Join(all, ", "))
}

// objectName makes a name for a device of one that may be anything: letters and
// digits of ASCII, - and _, beginning with a letter. One that had to be changed
// gets a number from the whole of it, so that different tunnels stay different.
func objectName(name string, most int) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case isAlnum(r) || r == '-' || r == '_':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	plain := b.String()
	if plain == "" || !isLetter(rune(plain[0])) {
		plain = "vpn-" + plain
	}
	if plain == name && (most == 0 || len(plain) <= most) {
		return plain
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	number := fmt.Sprintf("-%04x", h.Sum32()&0xffff)
	plain = strings.TrimRight(plain, "-")
	if most > 0 {
		plain = strings.TrimRight(plain[:min(len(plain), most-len(number))], "-")
	}
	return plain + number
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isAlnum(r rune) bool { return isLetter(r) || r >= '0' && r <= '9' }

// hasIPv6 tells whether any pair is one of IPv6.
func (s sight) hasIPv6() bool {
	return slices.ContainsFunc(s.pairs, func(p pair) bool { return p.local.Addr().Is6() })
}

// locals are the device's networks, each once; remotes are ours.
func (s sight) locals() []netip.Prefix {
	return distinct(s.pairs, func(p pair) netip.Prefix { return p.local })
}

func (s sight) remotes() []netip.Prefix {
	return distinct(s.pairs, func(p pair) netip.Prefix { return p.remote })
}

func distinct(pairs []pair, of func(pair) netip.Prefix) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range pairs {
		if n := of(p); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// ownID is what the device calls itself, where that is known.
func (s sight) ownID() (ike.ID, bool) {
	if s.localID.Kind != 0 {
		return s.localID, true
	}
	if s.local.IsValid() {
		return ike.AddressID(s.local), true
	}
	return ike.ID{}, false
}

// named tells that a side calls itself by a name.
func named(id ike.ID) bool { return id.Kind == ike.IDFQDN }

// dpdEvery is how often the device asks, within its bounds.
func (s sight) dpdEvery(least, most int) int {
	return min(max(int(s.dpd.Delay/time.Second), least), most)
}

// dpdTries is how often it asks in vain, so that it takes about as long as here.
func (s sight) dpdTries(every, least, most int) int {
	return min(max(int(s.dpd.Timeout/time.Second)/every, least), most)
}

// dpdTimeout is when a peer is dead, in seconds.
func (s sight) dpdTimeout() int { return int(s.dpd.Timeout / time.Second) }

// mask is a prefix's netmask, and wildcard its inverse, for IPv4.
func mask(p netip.Prefix) string { return dotted(^(uint32(1<<(32-p.Bits()) - 1))) }

func wildcard(p netip.Prefix) string { return dotted(uint32(1<<(32-p.Bits()) - 1)) }

func dotted(m uint32) string {
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)}).String()
}
