package config

func vpc(t *table) VPC {
	v := VPC{
		Region: one(t, "region", asWord),
		CIDR:   needMany(t, "cidr", `["192.168.0.0/16"]`, asPrefix),
	}
	v.Subnets = each(t, "subnet", "subnet", subnet)
	return v
}

func subnet(t *table) Subnet {
	return Subnet{
		CIDR:       need(t, "cidr", `"192.168.1.0/24"`, asPrefix),
		RouteTable: one(t, "route_table", asWord),
	}
}

func vpnGateway(t *table) VPNGateway {
	return VPNGateway{
		VPC:           need(t, "vpc", `"the name of a VPC"`, asWord),
		PublicIP:      need(t, "public_ip", `"203.0.113.7"`, asAddr),
		BandwidthMbps: need(t, "bandwidth_mbps", "10", asInt),
		MTU:           one(t, "mtu", asInt),
	}
}

func customerGateway(t *table) CustomerGateway {
	return CustomerGateway{
		PublicIP: need(t, "public_ip", `"198.51.100.7"`, asWhereabouts),
		Region:   one(t, "region", asWord),
	}
}

func routeTable(t *table) RouteTable {
	rt := RouteTable{VPC: need(t, "vpc", `"the name of a VPC"`, asWord)}
	for _, r := range t.list("route", "[[route_table.NAME.route]]") {
		rt.Routes = append(rt.Routes, Route{
			Pos:         r.here(),
			Destination: need(r, "destination", `"10.0.1.0/24"`, asPrefix),
			NextHop:     need(r, "next_hop", `"the name of a VPN gateway"`, asWord),
		})
		need(r, "next_hop_type", `"vpn_gateway"`, asOneOf("vpn_gateway"))
		r.close()
	}
	return rt
}
