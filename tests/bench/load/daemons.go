package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twinspan/twinspan/tests/swan"
	"github.com/twinspan/twinspan/tests/twin"
)

// gateway is a daemon that waits for the tunnels.
type gateway struct {
	pid  int
	stop func() error
}

// daemons start what can be measured, configured for an order.
var daemons = map[string]func(context.Context, *stage, order) (gateway, error){
	"twinspan":   startTwinspan,
	"strongswan": startStrongSwan,
}

// startTime is how long a daemon may take to read its configuration.
const startTime = 2 * time.Minute

func startTwinspan(ctx context.Context, s *stage, o order) (gateway, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	d, err := twin.New(s.gateway)
	if err != nil {
		return gateway{}, err
	}
	if err := errors.Join(d.Configure(configuration(o)), d.Start(ctx)); err != nil {
		return gateway{}, errors.Join(err, d.Close())
	}
	return gateway{d.PID(), d.Close}, nil
}

// configuration is twinspand's file.
func configuration(o order) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dataplane = \"userspace\"\n[limits]\ncustomer_gateways_per_region = %d\ntunnels_per_region = %d\n", o.tunnels, o.tunnels)
	b.WriteString("[vpc.V]\ncidr = [\"172.16.0.0/12\"]\n")
	b.WriteString("[vpc.V.subnet.S]\ncidr = \"172.16.0.0/12\"\nroute_table = \"main\"\n")
	fmt.Fprintf(&b, "[vpn_gateway.G]\nvpc = \"V\"\npublic_ip = %q\nbandwidth_mbps = 100\n", gatewayHost.Addr())
	b.WriteString("[route_table.main]\nvpc = \"V\"\n[[route_table.main.route]]\ndestination = \"10.0.0.0/8\"\nnext_hop_type = \"vpn_gateway\"\nnext_hop = \"G\"\n")
	for n := range o.tunnels {
		fmt.Fprintf(&b, "[customer_gateway.t%d]\npublic_ip = %q\n", n, peer(n))
		fmt.Fprintf(&b, "[vpn_tunnel.t%d]\nvpn_gateway = \"G\"\ncustomer_gateway = \"t%d\"\npre_shared_key = %q\nnegotiation = \"passive\"\n", n, n, key)
		fmt.Fprintf(&b, "[[vpn_tunnel.t%d.spd]]\nlocal = %q\npeer = %q\n", n, facing(n), inside(n))
		fmt.Fprintf(&b, "[vpn_tunnel.t%d.ike]\nencryption = \"AES-CBC-128\"\nintegrity = \"SHA1\"\ndh_group = \"GROUP%d\"\n", n, o.group)
		fmt.Fprintf(&b, "[vpn_tunnel.t%d.ipsec]\nencryption = \"AES-CBC-128\"\nintegrity = \"SHA1\"\npfs = \"disable\"\n", n)
	}
	return b.String()
}

func startStrongSwan(ctx context.Context, s *stage, o order) (gateway, error) {
	if err := swan.Available(); err != nil {
		return gateway{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	c, err := swan.Start(ctx, s.gateway, swan.UserSpace)
	if err != nil {
		return gateway{}, err
	}
	conns := make([]swan.Conn, o.tunnels)
	for n := range conns {
		conns[n] = swan.Conn{
			Name: fmt.Sprintf("t%d", n), Local: gatewayHost.Addr(), Remote: peer(n), Key: key, IKE: fmt.Sprintf("aes128-sha1-group%d", o.group),
			Children: []swan.Child{{Name: fmt.Sprintf("c%d", n), Local: facing(n), Remote: inside(n), ESP: "aes128-sha1"}},
		}
	}
	if err := c.Load(ctx, conns...); err != nil {
		return gateway{}, errors.Join(err, c.Stop())
	}
	return gateway{c.PID(), c.Stop}, nil
}
