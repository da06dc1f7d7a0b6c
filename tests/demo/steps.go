package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
)

// What each step adds to the gateway's file.
const (
	gatewayText = `[vpc.TomVPC]
region = "Guangzhou"
cidr   = ["192.168.0.0/16"]
[vpc.TomVPC.subnet.A]
cidr        = "192.168.1.0/24"

[vpn_gateway.TomVPNGw]
vpc            = "TomVPC"
public_ip      = "203.195.147.82"
bandwidth_mbps = 10
`
	customerText = `
[customer_gateway.TomVPNUserGw]
public_ip = "202.108.22.5"
`
	tunnelText = `
[vpn_tunnel.TomVPNConn]
vpn_gateway      = "TomVPNGw"
customer_gateway = "TomVPNUserGw"
pre_shared_key   = "123456"
negotiation      = "flow_trigger"
[[vpn_tunnel.TomVPNConn.spd]]
local = "192.168.1.0/24"
peer  = ["10.0.1.0/24"]
`
	subnetLine = `cidr        = "192.168.1.0/24"
`
	subnetRoute = `route_table = "main"
`
	routeText = `
[route_table.main]
vpc = "TomVPC"
[[route_table.main.route]]
destination   = "10.0.1.0/24"
next_hop_type = "vpn_gateway"
next_hop      = "TomVPNGw"
`
)

// tunnelName is the tunnel of tunnelText.
const tunnelName = "TomVPNConn"

func (s *stage) createGateway(ctx context.Context) error {
	s.step(1, "create the VPN gateway")
	if err := s.edit(gatewayText); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(15*time.Second))
	defer cancel()
	if err := s.gateway.Start(ctx); err != nil {
		return err
	}
	status, err := s.gateway.Status(ctx)
	if err != nil {
		return err
	}
	s.say("  twinspand runs; its data plane is %s", planes[status.DataPlane])
	return s.peer.choose(status.DataPlane)
}

// planes are the words of the status for the data planes, in more words.
var planes = map[string]string{
	"kernel":    "the kernel's: it has ESP and XFRM interfaces",
	"userspace": "in user space: this kernel cannot do ESP on XFRM interfaces",
}

func (s *stage) createCustomerGateway(ctx context.Context) error {
	s.step(2, "create the customer gateway")
	if err := s.edit(s.file + customerText); err != nil {
		return err
	}
	return s.reload(ctx)
}

func (s *stage) createTunnel(ctx context.Context) error {
	s.step(3, "create the VPN tunnel")
	if err := s.edit(s.file + tunnelText); err != nil {
		return err
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	return s.silent(ctx)
}

func (s *stage) loadPeer(ctx context.Context) error {
	s.step(4, "load the configuration into the customer gateway")
	text, err := s.peer.load(ctx)
	if err != nil {
		return err
	}
	s.say("  %s of 202.108.22.5, which runs now:", s.peer.file())
	s.show("| ", text)
	return nil
}

func (s *stage) addRoute(ctx context.Context) error {
	s.step(5, "configure the route table")
	if err := s.silent(ctx); err != nil {
		return err
	}
	text := strings.Replace(s.file, subnetLine, subnetLine+subnetRoute, 1)
	if err := s.edit(text + routeText); err != nil {
		return err
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	return s.asleep(ctx)
}

// asleep checks that the tunnel waits to be asked for.
func (s *stage) asleep(ctx context.Context) error {
	t, err := s.gateway.Tunnel(ctx, tunnelName)
	if err != nil {
		return err
	}
	seen := s.capture.Tally()
	if t.State != "down" || seen.IKE+seen.Protected() > 0 {
		return fmt.Errorf("nobody has asked for the tunnel yet, but it is %s, and outside were seen: %v", t.State, seen)
	}
	s.say("  the tunnel is %s and nothing was negotiated: it waits for the first packet", t.State)
	return nil
}

func (s *stage) activate(ctx context.Context) error {
	s.step(6, "enable the VPN tunnel: ping the IDC from the VPC")
	limit, cancel := context.WithTimeout(ctx, netns.Patience(20*time.Second))
	defer cancel()
	begin := time.Now()
	unanswered := 0
	err := netns.Until(limit, func() error {
		_, err := s.ping(limit, netns.Ping{Timeout: 300 * time.Millisecond})
		if errors.Is(err, netns.ErrLost) {
			unanswered++
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the tunnel did not come up by itself: %w", err)
	}
	s.say("  host of the VPC$ ping 10.0.1.1: answered %.1f s after the first, %d before it were not", time.Since(begin).Seconds(), unanswered)
	t, err := s.gateway.Tunnel(ctx, tunnelName)
	if err != nil {
		return err
	}
	return s.stands(t)
}

// stands shows what was agreed on.
func (s *stage) stands(t api.Tunnel) error {
	if t.State != "up" || t.Session == nil || len(t.Pairs) != 1 || t.Pairs[0].Child == nil {
		return fmt.Errorf("pings pass, but the tunnel is said to be %s", t.State)
	}
	c := t.Pairs[0].Child
	s.say("  the tunnel is %s: phase 1 %s, phase 2 %s, SPIs %s and %s", t.State, t.Session.Proposal, c.Suite, c.SPIIn, c.SPIOut)
	return nil
}

// prove pings through the tunnel both ways, and shows the status and what was
// seen outside.
func (s *stage) prove(ctx context.Context) error {
	const count = 10
	const interval = 50 * time.Millisecond // the status counts what is a moment old
	s.say("\nThe networks reach each other:")
	before := s.capture.Tally()
	there, err := s.ping(ctx, netns.Ping{Count: count, Size: 56, Interval: interval})
	if err != nil {
		return err
	}
	s.say("  host of the VPC$ ping 10.0.1.1:      %v", there)
	sites := s.bed.Sites
	back, err := s.bed.IDC.Ping(ctx, netns.Ping{From: sites.IDC.Hosts[0].Addr(), To: sites.VPC.Hosts[0].Addr(), Count: count, Size: 1300, Interval: interval})
	if err != nil {
		return err
	}
	s.say("  host of the IDC$ ping 192.168.1.10:  %v", back)
	table, err := s.gateway.Command(ctx, "status")
	if err != nil {
		return err
	}
	s.say("\n  $ twinspan status")
	s.show("", table)
	return s.outside(before, 4*count)
}

// outside shows what the internet saw since before: ESP for every ping and
// answer, and never an address from inside.
func (s *stage) outside(before netns.Tally, packets int) error {
	now := s.capture.Tally()
	s.say("\nOn the internet, between the gateways, were seen:")
	frames := append(s.capture.Frames(netns.ESP), s.capture.Frames(netns.ESPinUDP)...)
	for _, f := range frames[max(0, len(frames)-4):] {
		s.say("    %v", f)
	}
	passed := now.Protected() - before.Protected()
	s.say("  in all: %v; of these for the %d pings and answers above: %d packets of ESP", now, packets, passed)
	switch {
	case now.Clear > 0:
		return fmt.Errorf("%d packets from or to the networks inside were seen in clear text: %v", now.Clear, s.capture.Frames(netns.Clear))
	case passed < packets:
		return fmt.Errorf("%d packets went through the tunnel, but only %d of ESP were seen", packets, passed)
	}
	return nil
}
