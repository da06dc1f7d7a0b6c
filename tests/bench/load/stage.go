package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/twinspan/twinspan/tests/netns"
)

// The gateway's address, the router's beside it, and the network that holds the
// customer gateways.
var (
	gatewayHost = netip.MustParsePrefix("192.0.2.1/24")
	crowdHost   = netip.MustParsePrefix("192.0.2.2/24")
	crowd       = netip.MustParsePrefix("100.64.0.0/10")
)

// key is what all tunnels share.
const key = "load"

// peer is the address of the n-th customer gateway; inside and facing are the
// networks that its tunnel joins.
func peer(n int) netip.Addr { return host(100, 64, n) }

func inside(n int) netip.Prefix { return netip.PrefixFrom(host(10, 64, n), 32) }

func facing(n int) netip.Prefix { return netip.PrefixFrom(host(172, 16, n), 32) }

func host(a, b byte, n int) netip.Addr {
	n++
	return netip.AddrFrom4([4]byte{a, b + byte(n>>16), byte(n >> 8), byte(n)})
}

// stage is the gateway's namespace and that of the crowd, wired together.
type stage struct{ gateway, crowd *netns.Space }

func open() (*stage, error) {
	s := &stage{}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) build() (err error) {
	if s.gateway, err = netns.New("gateway"); err != nil {
		return err
	}
	if s.crowd, err = netns.New("crowd"); err != nil {
		return err
	}
	err = netns.Wire(
		netns.End{Space: s.gateway, Device: netns.Outside, Addresses: []netip.Prefix{gatewayHost}},
		netns.End{Space: s.crowd, Device: netns.Outside, Addresses: []netip.Prefix{crowdHost}})
	if err != nil {
		return err
	}
	if err := s.gateway.Route(crowd, crowdHost.Addr()); err != nil {
		return err
	}
	return s.crowd.Do(everyAddress)
}

// everyAddress makes all addresses of the crowd this namespace's own.
func everyAddress() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	network, err := netlink.ParseIPNet(crowd.String())
	if err != nil {
		return err
	}
	const local = 255 // the routing table of the host's own addresses
	return netlink.RouteAdd(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: network, Table: local, Type: 2, Scope: netlink.SCOPE_HOST,
	})
}

func (s *stage) close() error {
	var err error
	for _, space := range []*netns.Space{s.gateway, s.crowd} {
		if space != nil {
			err = errors.Join(err, space.Close())
		}
	}
	return err
}

// usage is what a process has used.
type usage struct {
	cpu    time.Duration
	memory int // in bytes
}

// tick is the unit of processor time in /proc.
const tick = 10 * time.Millisecond

// usageOf reads a process' usage out of /proc.
func usageOf(pid int) (usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return usage{}, fmt.Errorf("process %d: %q", pid, text)
	}
	var u usage
	for i, unit := range map[int]time.Duration{11: tick, 12: tick, 13: tick, 14: tick} { // own and of children that ended
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return usage{}, err
		}
		u.cpu += time.Duration(n) * unit
	}
	pages, err := strconv.Atoi(fields[21])
	u.memory = pages * os.Getpagesize()
	return u, err
}
