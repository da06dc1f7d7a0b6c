// Package config turns TOML files into typed resources: VPCs with their
// subnets, VPN gateways, customer gateways, VPN tunnels and route tables, and
// the settings of the daemon.
//
// It reports every fault of all files at once, each with its file and line. It
// knows what a single value may be. It does not know which names exist, which
// networks may overlap, or which algorithms there are: that is package plan.
package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/twinspan/twinspan/xfrm"
)

// Config is everything that the files say. Each list is sorted by name, and a
// name is in its list once.
type Config struct {
	DataPlane        Value[string]         // DataPlaneAuto, DataPlaneKernel or DataPlaneUserspace
	Weak             Value[string]         // WeakWarn or WeakRefuse
	Metrics          Value[netip.AddrPort] // where metrics are served; unset, nowhere
	Limits           Limits
	Prices           Prices
	VPCs             []VPC
	VPNGateways      []VPNGateway
	CustomerGateways []CustomerGateway
	Tunnels          []Tunnel
	RouteTables      []RouteTable
	Alarms           []Alarm
	Receivers        []Receiver

	// Faulty says that Parse found a fault, so that this is to be looked at for
	// more faults and for nothing else.
	Faulty bool
	// Incomplete says that a file could not be read at all, so that names may
	// be missing through no fault of those who refer to them.
	Incomplete bool
}

// The words of `dataplane`.
const (
	DataPlaneAuto      = "auto"
	DataPlaneKernel    = "kernel"
	DataPlaneUserspace = "userspace"
)

// The words of `[security] weak`.
const (
	WeakWarn   = "warn"
	WeakRefuse = "refuse"
)

// The words of a tunnel's `negotiation`.
const (
	Active      = "active"       // we begin, and begin again whenever it is down
	Passive     = "passive"      // only the peer begins
	FlowTrigger = "flow_trigger" // we begin when a packet asks for it
)

// The words of `[vpn_tunnel.X.ike] mode`.
const (
	MainMode       = "MAIN"
	AggressiveMode = "AGGRESSIVE"
)

// The words of a tunnel's `nat_t`.
const (
	NATTAuto  = "auto"  // the RFC or a draft; ESP goes in UDP where a translator is seen
	NATTRFC   = "rfc"   // RFC 3947 alone
	NATTDraft = "draft" // the drafts alone
	NATTOff   = "off"
	NATTForce = "force" // ESP goes in UDP, translator or not
)

// The words of `[vpn_tunnel.X.dpd] action`.
const (
	DPDRestart = "restart" // negotiate with a dead peer again at once
	DPDClear   = "clear"   // take its tunnel down
	DPDOff     = "off"     // do not ask whether it lives
)

// The words of `local_identity` and `remote_identity`.
const (
	IdentityAddress = "ADDRESS"
	IdentityFQDN    = "FQDN"
)

// Limits are the quotas of `[limits]`. Those that are not set are the
// product's own, which package plan knows.
type Limits struct {
	VPNGatewaysPerVPC         Value[int64]
	CustomerGatewaysPerRegion Value[int64]
	TunnelsPerCustomerGateway Value[int64]
	TunnelsPerRegion          Value[int64]
	SPDsPerTunnel             Value[int64]
	PeerNetworksPerSPD        Value[int64]
}

// Resource is what every named thing has.
type Resource struct {
	Name string
	Pos  // of its table's header
	// Faulty says that a fault was found in it. Its name exists; what it says
	// is not to be relied on.
	Faulty bool
}

// VPC is a network with its subnets.
type VPC struct {
	Resource
	Region  Value[string]
	CIDR    []Value[netip.Prefix] // at least one
	Subnets []Subnet              // sorted by name
}

// Subnet is a part of a VPC. Without a route table nothing is routed for it.
type Subnet struct {
	Resource
	CIDR       Value[netip.Prefix]
	RouteTable Value[string]
}

// VPNGateway is our end of tunnels.
type VPNGateway struct {
	Resource
	VPC           Value[string]
	PublicIP      Value[netip.Addr]
	BandwidthMbps Value[int64]
	MTU           Value[int64] // of its network device, in bytes
}

// CustomerGateway is the other end of a tunnel.
type CustomerGateway struct {
	Resource
	PublicIP Value[Whereabouts]
	Region   Value[string] // for the quota; unset, it is that of its tunnel
}

// Whereabouts is where a peer is: at an address, or wherever a name of the DNS
// leads. The zero Whereabouts is anywhere.
type Whereabouts struct {
	Addr netip.Addr
	Host string
}

// Tunnel joins a VPN gateway and a customer gateway.
type Tunnel struct {
	Resource
	VPNGateway      Value[string]
	CustomerGateway Value[string]
	Keys            []Value[xfrm.Secret] // pre-shared, at least one, newest first
	Negotiation     Value[string]        // Active, Passive or FlowTrigger
	NATT            Value[string]        // NATTAuto, NATTRFC, NATTDraft, NATTOff or NATTForce
	SPD             []SPD                // at least one
	IKE             IKE
	IPsec           IPsec
	DPD             DPD
	HealthCheck     HealthCheck
}

// SPD is one policy: a local network and the peer networks that it may talk to.
type SPD struct {
	Pos
	Local Value[netip.Prefix]
	Peer  []Value[netip.Prefix] // at least one
}

// IKE holds the settings of phase 1. The version is IKEv1: there is no other
// yet, so it is checked and not kept. The words of algorithms are as written;
// lists are best first, empty for the default.
type IKE struct {
	Mode                           Value[string] // MainMode or AggressiveMode
	Encryption, Integrity, DHGroup []Value[string]
	LocalIdentity, RemoteIdentity  Value[string] // IdentityAddress or IdentityFQDN
	LocalAddress, RemoteAddress    Value[netip.Addr]
	LocalFQDN, RemoteFQDN          Value[string]
	LifetimeSeconds                Value[int64]
}

// IPsec holds the settings of phase 2. The protocol is ESP and the
// encapsulation is the tunnel mode, checked and not kept.
type IPsec struct {
	Encryption, Integrity []Value[string]
	PFS                   Value[string] // a group's word, or "disable" in any case
	LifetimeSeconds       Value[int64]
	LifetimeKB            Value[int64] // of 1024 bytes
}

// DPD holds the settings of dead peer detection.
type DPD struct {
	Action                       Value[string] // DPDRestart, DPDClear or DPDOff
	DelaySeconds, TimeoutSeconds Value[int64]
}

// HealthCheck is a probe through a tunnel. Without a target there is none.
type HealthCheck struct {
	Target, Source                        Value[netip.Addr]
	IntervalSeconds, TimeoutMs, Threshold Value[int64]
}

// RouteTable holds the routes of the subnets that name it.
type RouteTable struct {
	Resource
	VPC    Value[string]
	Routes []Route
}

// Route sends a network to a VPN gateway, the only type of next hop there is.
type Route struct {
	Pos
	Destination Value[netip.Prefix]
	NextHop     Value[string] // the name of a VPN gateway
}

// sort puts every list in the order of the names.
func (c *Config) sort() {
	sortByName(c.VPCs, func(v VPC) string { return v.Name })
	sortByName(c.VPNGateways, func(g VPNGateway) string { return g.Name })
	sortByName(c.CustomerGateways, func(g CustomerGateway) string { return g.Name })
	sortByName(c.Tunnels, func(t Tunnel) string { return t.Name })
	sortByName(c.RouteTables, func(t RouteTable) string { return t.Name })
	sortByName(c.Alarms, func(a Alarm) string { return a.Name })
	sortByName(c.Receivers, func(r Receiver) string { return r.Name })
	for _, v := range c.VPCs {
		sortByName(v.Subnets, func(s Subnet) string { return s.Name })
	}
}

func sortByName[R any](list []R, name func(R) string) {
	slices.SortFunc(list, func(a, b R) int { return cmp.Compare(name(a), name(b)) })
}

// Disabled tells that a word of `pfs` means none.
func Disabled(word string) bool { return strings.EqualFold(strings.TrimSpace(word), "disable") }
