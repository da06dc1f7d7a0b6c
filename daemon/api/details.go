package api

import "time"

// Details are all that is to be known of what has one name: a VPN gateway, a
// customer gateway and a tunnel may share it.
type Details struct {
	Version         int                     `json:"version"`
	Time            time.Time               `json:"time"`
	Gateway         *GatewayDetails         `json:"vpn_gateway,omitempty"`
	CustomerGateway *CustomerGatewayDetails `json:"customer_gateway,omitempty"`
	Tunnel          *TunnelDetails          `json:"vpn_tunnel,omitempty"`
}

// GatewayDetails are those of a VPN gateway.
type GatewayDetails struct {
	Gateway
	Region  string         `json:"region,omitempty"` // of its VPC
	CIDR    []string       `json:"vpc_cidr"`
	MTU     int            `json:"mtu"`
	Defined string         `json:"defined"` // file:line
	Tunnels []TunnelState  `json:"tunnels"`
	Routes  []GatewayRoute `json:"routes"` // that lead to it
}

// TunnelState is a tunnel as the details of its ends name it.
type TunnelState struct {
	Name  string    `json:"name"`
	Peer  string    `json:"peer"` // the customer gateway, or for that the VPN gateway
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`
}

// GatewayRoute is a route whose next hop is a VPN gateway.
type GatewayRoute struct {
	Table       string `json:"route_table"`
	Destination string `json:"destination"`
}

// CustomerGatewayDetails are those of a customer gateway.
type CustomerGatewayDetails struct {
	Name     string        `json:"name"`
	PublicIP string        `json:"public_ip"` // an address, a name of the DNS, or "any"
	Region   string        `json:"region,omitempty"`
	Defined  string        `json:"defined"`
	Tunnels  []TunnelState `json:"tunnels"`
}

// TunnelDetails are those of a tunnel: what it does, and how it is configured,
// defaults filled in.
type TunnelDetails struct {
	Tunnel
	Defined  string        `json:"defined"`
	Policies []SPDPolicy   `json:"spd"`
	IKE      IKESettings   `json:"ike"`
	IPsec    IPsecSettings `json:"ipsec"`
}

// SPDPolicy is a local network and the peer networks that it may talk to.
type SPDPolicy struct {
	Local string   `json:"local"`
	Peer  []string `json:"peer"`
}

// IKESettings are those of phase 1. Proposals are best first.
type IKESettings struct {
	IKEVersion     string   `json:"ike_version"`
	Authentication string   `json:"authentication"`
	Mode           string   `json:"mode"`
	Proposals      []string `json:"proposals"`
	LocalID        string   `json:"local_identity"`
	RemoteID       string   `json:"remote_identity"`
	LifetimeSecond int64    `json:"lifetime_seconds"`
}

// IPsecSettings are those of phase 2.
type IPsecSettings struct {
	Protocol       string   `json:"protocol"`
	Encapsulation  string   `json:"encapsulation"`
	Proposals      []string `json:"proposals"`
	PFS            string   `json:"pfs"` // a group, or "disable"
	LifetimeSecond int64    `json:"lifetime_seconds"`
	LifetimeKB     uint64   `json:"lifetime_kb"`
}
