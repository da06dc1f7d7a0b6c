// Package plan turns a configuration into what is to be: the peers to
// negotiate with, the policies and links of the data plane, routes, rules and
// guards. Names are resolved, defaults filled in, and the product's rules and
// quotas held.
//
// It computes and nothing else: it opens no file, knows no kernel and no
// running state. Equal configurations give equal plans, whatever the order of
// their files and tables.
package plan

import (
	"errors"
	"net/netip"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Plan is what is to be. Everything is sorted, by name where it has one.
type Plan struct {
	DataPlane string         // config.DataPlaneAuto, config.DataPlaneKernel or config.DataPlaneUserspace
	Metrics   netip.AddrPort // where metrics are served; invalid: nowhere
	Gateways  []Gateway
	Customers []CustomerGateway
	Peers     []ike.Peer // one for each tunnel; the children are sorted by selector and share their proposals
	Tunnels   []Tunnel   // the same tunnels in the same order
	Links     []xfrm.Link
	// Policies protect each pair of each tunnel whose peer's address is
	// configured; PoliciesAt has those of the others too. There is no Block policy: no
	// two pairs overlap, so that priorities decide nothing, and whatever enters
	// a gateway's device without a policy is dropped by the data plane. What
	// would leave through other devices is the business of the Guards.
	Policies    []xfrm.Policy
	Guards      []Guard
	RouteTables []RouteTable
	Routes      []Route
	Rules       []Rule
	Charges     []Charge // one for each of Gateways, in the same order
	Currency    string   // of the Charges, as it is configured
	Alarms      []alarm.Rule
	Receivers   []Receiver
	Warnings    []config.Fault // what is allowed and not advisable
}

// Gateway is a VPN gateway of ours.
type Gateway struct {
	Name          string
	IfID          uint32
	Device        string // its network device
	PublicIP      netip.Addr
	BandwidthMbps int
	VPC           string
	Region        string         // of the VPC, "" where it has none
	CIDR          []netip.Prefix // of the VPC
	MTU           int            // of the device
	Defined       config.Pos
}

// CustomerGateway is the other end of a tunnel.
type CustomerGateway struct {
	Name     string
	PublicIP config.Whereabouts
	Region   string
	Defined  config.Pos
}

// Tunnel names what a tunnel joins.
type Tunnel struct {
	Name, Gateway, CustomerGateway string
	Defined                        config.Pos // where its table begins
	Probe                          Probe
}

// Guard says that a pair may leave and enter through one device only.
type Guard struct {
	Sel    xfrm.Selector
	Device string
}

// RouteTable names a routing table of the kernel.
type RouteTable struct {
	Name string
	ID   uint32 // always in the range of xfrm.Ours
}

// Route sends a network to a gateway's device.
type Route struct {
	Table  uint32
	Dst    netip.Prefix
	Device string
}

// Rule gives what comes from a subnet to a table.
type Rule struct {
	From  netip.Prefix
	Table uint32
}

// Load reads and plans: every fault of config.Parse and of Make in one go. Its
// error is config.Faults. With an error the Plan holds the Warnings only.
func Load(files []config.File) (Plan, error) {
	c, err := config.Parse(files)
	var faults config.Faults
	errors.As(err, &faults)
	m := newMaker(c)
	return m.result(append(faults, m.faults...))
}

// Make plans a configuration that config.Parse found no fault in. Its error is
// config.Faults: everything that does not go together. With an error the Plan
// holds the Warnings only.
func Make(c config.Config) (Plan, error) {
	m := newMaker(c)
	if c.Faulty {
		m.faults = append(m.faults, config.Fault{What: "the configuration has faults", Do: "correct what was reported when it was read"})
	}
	return m.result(m.faults)
}
