package monitor

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

var (
	inner  = netip.MustParseAddr("192.168.1.254")
	target = netip.MustParseAddr("10.0.1.1")
	inner6 = netip.MustParseAddr("2001:db8:1::fe")
	there6 = netip.MustParseAddr("2001:db8:2::1")
)

// bed is a gateway whose only way to the peer's networks is a table of its own,
// as the daemon routes: by the source address, through the gateway's device. All
// else goes to an internet that answers for everybody.
func bed(t *testing.T) *netns.Space {
	t.Helper()
	netns.NeedRoot(t)
	var all []*netns.Space
	for _, name := range []string{"gateway", "idc", "internet"} {
		s, err := netns.New(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		all = append(all, s)
	}
	gateway := all[0]
	wire := func(peer *netns.Space, device, here, there string) {
		prefixes := func(list string) (out []netip.Prefix) {
			for p := range strings.FieldsSeq(list) {
				out = append(out, netip.MustParsePrefix(p))
			}
			return out
		}
		if err := netns.Wire(netns.End{Space: gateway, Device: device, Addresses: prefixes(here)},
			netns.End{Space: peer, Device: "eth0", Addresses: prefixes(there)}); err != nil {
			t.Fatal(err)
		}
	}
	wire(all[1], "twin0001", "172.16.0.1/30 2001:db8:e::1/64", "172.16.0.2/30 10.0.1.1/32 2001:db8:e::2/64 2001:db8:2::1/128")
	wire(all[2], "wan0", "203.0.113.2/24 2001:db8:f::2/64", "203.0.113.1/24 2001:db8:f::1/64")
	for _, line := range []string{
		"ip address add 192.168.1.254/32 dev lo", "ip -6 address add 2001:db8:1::fe/128 dev lo nodad",
		"ip route add default via 203.0.113.1", "ip -6 route add default via 2001:db8:f::1",
		"ip rule add from 192.168.1.0/24 lookup 77", "ip -6 rule add from 2001:db8:1::/64 lookup 77",
		"ip route add 10.0.1.0/24 via 172.16.0.2 dev twin0001 table 77", "ip -6 route add 2001:db8:2::/64 via 2001:db8:e::2 dev twin0001 table 77",
	} {
		command(t, gateway, line)
	}
	command(t, all[1], "ip route add 192.168.1.0/24 via 172.16.0.1")
	command(t, all[1], "ip -6 route add 2001:db8:1::/64 via 2001:db8:e::1")
	return gateway
}

func command(t *testing.T, s *netns.Space, line string) {
	t.Helper()
	words := strings.Fields(line)
	if out, err := s.Run(t.Context(), words[0], words[1:]...); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// ping is one ping out of a namespace.
func ping(t *testing.T, s *netns.Space, from, to netip.Addr) (rtt time.Duration, err error) {
	t.Helper()
	_ = s.Do(func() error {
		rtt, err = Linux{}.Ping(t.Context(), from, to, 300*time.Millisecond)
		return nil
	})
	return rtt, err
}

// What the host itself sends from an address of its subnet takes the way of what
// it forwards from there: the rule for the subnet, and so the gateway's device.
func TestPingGoesTheWayOfTheSubnet(t *testing.T) {
	gateway := bed(t)
	for _, pair := range [][2]netip.Addr{{inner, target}, {inner6, there6}} {
		if rtt, err := ping(t, gateway, pair[0], pair[1]); err != nil || rtt <= 0 || rtt > 300*time.Millisecond {
			t.Errorf("%v: %v, %v", pair, rtt, err)
		}
	}
	if _, err := ping(t, gateway, netip.MustParseAddr("203.0.113.2"), target); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("from another address: %v", err)
	}
}

// What keeps a packet from leaving is no answer; what keeps it from being made
// is the host's fault. None of it takes longer than it may.
func TestPingThatComesToNothing(t *testing.T) {
	gateway := bed(t)
	command(t, gateway, "ip route add prohibit 10.0.2.0/24 table 77")
	command(t, gateway, "ip route add unreachable 10.0.3.0/24 table 77")
	begun := time.Now()
	for _, to := range []string{"10.0.1.99", "10.0.2.1", "10.0.3.1"} {
		if _, err := ping(t, gateway, inner, netip.MustParseAddr(to)); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := ping(t, gateway, netip.MustParseAddr("192.168.1.7"), target); err == nil || errors.Is(err, ErrNoAnswer) {
		t.Errorf("from an address that the host does not have: %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	var own []netip.Addr
	err := gateway.Do(func() (err error) {
		own, err = Linux{}.Addresses()
		return err
	})
	if err != nil || !strings.Contains(strings.Join(texts(own), " "), inner.String()) {
		t.Errorf("the host has %v, %v", own, err)
	}
}

func texts(list []netip.Addr) (all []string) {
	for _, a := range list {
		all = append(all, a.String())
	}
	return all
}
