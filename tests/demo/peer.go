package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
	"github.com/twinspan/twinspan/tests/twin"
)

// The customer gateways that there are.
const (
	twinspan   = "twinspan"
	strongSwan = "strongswan"
)

// peer is the customer gateway.
type peer interface {
	name() string
	// choose tells it which data plane the gateway has.
	choose(plane string) error
	// load starts it with its configuration, and returns that.
	load(ctx context.Context) (string, error)
	file() string // the name of its configuration file
	log() string
	close() error
}

func newPeer(name string, space *netns.Space) (peer, error) {
	switch name {
	case twinspan:
		d, err := twin.New(space)
		if err != nil {
			return nil, err
		}
		return &twinPeer{d}, nil
	case strongSwan:
		if err := swan.Available(); err != nil {
			return nil, err
		}
		return &swanPeer{space: space}, nil
	}
	return nil, fmt.Errorf("unknown peer %q; write %s or %s", name, twinspan, strongSwan)
}

// startTime bounds the start of a customer gateway.
const startTime = 15 * time.Second

// twinPeer is a second twinspand, configured as the IDC sees it.
type twinPeer struct{ daemon *twin.Daemon }

const twinText = `[vpc.IDC]
region = "IDC"
cidr   = ["10.0.1.0/24"]
[vpc.IDC.subnet.A]
cidr        = "10.0.1.0/24"
route_table = "main"

[vpn_gateway.TomVPNUserGw]
vpc            = "IDC"
public_ip      = "202.108.22.5"
bandwidth_mbps = 10

[customer_gateway.TomVPNGw]
public_ip = "203.195.147.82"

[vpn_tunnel.TomVPNConn]
vpn_gateway      = "TomVPNUserGw"
customer_gateway = "TomVPNGw"
pre_shared_key   = "123456"
negotiation      = "passive"
[[vpn_tunnel.TomVPNConn.spd]]
local = "10.0.1.0/24"
peer  = ["192.168.1.0/24"]

[route_table.main]
vpc = "IDC"
[[route_table.main.route]]
destination   = "192.168.1.0/24"
next_hop_type = "vpn_gateway"
next_hop      = "TomVPNUserGw"
`

func (p *twinPeer) name() string { return "a second twinspand" }

func (p *twinPeer) file() string { return "twinspan.toml" }

func (p *twinPeer) choose(string) error { return nil } // it finds out itself

func (p *twinPeer) load(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(startTime))
	defer cancel()
	if err := p.daemon.Configure(twinText); err != nil {
		return "", err
	}
	return twinText, p.daemon.Start(ctx)
}

func (p *twinPeer) log() string { return p.daemon.Log() }

func (p *twinPeer) close() error { return p.daemon.Close() }

// swanPeer is a strongSwan.
type swanPeer struct {
	space  *netns.Space
	plane  swan.Plane
	charon *swan.Charon // nil until it runs
}

func (p *swanPeer) name() string { return "a strongSwan" }

func (p *swanPeer) file() string { return "swanctl.conf" }

func (p *swanPeer) choose(plane string) error {
	if plane == "kernel" {
		p.plane = swan.Kernel
	}
	return nil
}

func (p *swanPeer) load(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(startTime))
	defer cancel()
	var err error
	if p.charon, err = swan.Start(ctx, p.space, p.plane); err != nil {
		return "", err
	}
	sites := netns.QuickStart()
	c := swan.Conn{
		Name: "TomVPNConn", Local: sites.IDC.Public.Addr(), Remote: sites.VPC.Public.Addr(), Key: "123456", IKE: peerIKE,
		Children: []swan.Child{{Name: "TomVPNConn", Local: sites.IDC.Networks()[0], Remote: sites.VPC.Networks()[0], ESP: peerESP}},
	}
	_, err = p.charon.LoadFile(ctx, c)
	return swan.Config(c), err
}

// What strongSwan is told to accept: a suite of the seed's that is among
// Twinspan's defaults.
const (
	peerIKE = "aes256-sha1-group14"
	peerESP = "aes256-sha1-group14"
)

func (p *swanPeer) log() string {
	if p.charon == nil {
		return ""
	}
	return p.charon.Log()
}

func (p *swanPeer) close() error {
	if p.charon == nil {
		return nil
	}
	return p.charon.Stop()
}
