package netcfg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/twinspan/twinspan/tests/netns"
	"golang.org/x/sys/unix"
)

const patience = 5 * time.Second

// bed is a gateway between a VPC, the internet, and an IDC behind the gateway's
// device. The internet answers for the IDC's addresses too, so whatever leaks
// arrives somewhere.
type bed struct {
	vpc, gateway, internet, idc *netns.Space
	net                         *Net
}

const device = "twin0001"

func newBed(t testing.TB) *bed {
	t.Helper()
	netns.NeedRoot(t)
	b := &bed{vpc: space(t, "vpc"), gateway: space(t, "gateway"), internet: space(t, "internet"), idc: space(t, "idc")}
	wire(t, b.vpc, "eth0", b.gateway, "lan0", "192.168.1.2/24 2001:db8:1::2/64", "192.168.1.1/24 2001:db8:1::1/64")
	wire(t, b.internet, "eth0", b.gateway, "wan0",
		"203.0.113.1/24 2001:db8:f::1/64 10.0.1.2/32 2001:db8:2::2/128", "203.0.113.2/24 2001:db8:f::2/64")
	wire(t, b.idc, "eth0", b.gateway, device, "172.16.0.1/30 2001:db8:e::1/64 10.0.1.2/32 2001:db8:2::2/128",
		"172.16.0.2/30 2001:db8:e::2/64")
	b.run(t, b.gateway, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	for _, hop := range []struct {
		from *netns.Space
		via  string
	}{
		{b.vpc, "192.168.1.1"}, {b.vpc, "2001:db8:1::1"}, {b.gateway, "203.0.113.1"}, {b.gateway, "2001:db8:f::1"},
		{b.internet, "203.0.113.2"}, {b.internet, "2001:db8:f::2"}, {b.idc, "172.16.0.2"}, {b.idc, "2001:db8:e::2"},
	} {
		if err := hop.from.DefaultRoute(netip.MustParseAddr(hop.via)); err != nil {
			t.Fatal(err)
		}
	}
	b.net = open(t, b.gateway)
	return b
}

func space(t testing.TB, name string) *netns.Space {
	t.Helper()
	s, err := netns.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func wire(t testing.TB, a *netns.Space, aDevice string, b *netns.Space, bDevice, aAddresses, bAddresses string) {
	t.Helper()
	parse := func(list string) (out []netip.Prefix) {
		for p := range strings.FieldsSeq(list) {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	err := netns.Wire(netns.End{Space: a, Device: aDevice, Addresses: parse(aAddresses)},
		netns.End{Space: b, Device: bDevice, Addresses: parse(bAddresses)})
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, in *netns.Space) *Net {
	t.Helper()
	var n *Net
	if err := in.Do(func() (err error) { n, err = New(); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// run runs a command, whose words are separated by blanks.
func (b *bed) run(t testing.TB, in *netns.Space, command string) string {
	t.Helper()
	return run(t, in, command)
}

func run(t testing.TB, in *netns.Space, command string) string {
	t.Helper()
	words := strings.Fields(command)
	if _, err := exec.LookPath(words[0]); err != nil {
		netns.Lacks(t, "needs ", words[0], ": ", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), netns.Patience(patience))
	defer cancel()
	out, err := in.Run(ctx, words[0], words[1:]...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// nft feeds a script to nft.
func nft(t testing.TB, in *netns.Space, script string) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		netns.Lacks(t, "needs nft: ", err)
	}
	err := in.Do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("nft: %w\n%s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// guards are the pairs of the bed, with the device of the bed.
func guards() []Guard {
	return []Guard{
		{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("10.0.1.0/24"), device},
		{netip.MustParsePrefix("2001:db8:1::/64"), netip.MustParsePrefix("2001:db8:2::/64"), device},
	}
}

func (b *bed) guard(t testing.TB, list []Guard) {
	t.Helper()
	if err := b.net.SetGuards(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

// packet is one packet that a test sends: UDP from port to port, or with ports
// 0 IP protocol 50.
type packet struct {
	name             string
	from, to         *netns.Space
	src, dst         string
	srcPort, dstPort int
	passes           bool // with the guard; without it every one arrives
}

func (p packet) network() string {
	if p.srcPort == 0 {
		if strings.Contains(p.dst, ":") {
			return "ip6:50"
		}
		return "ip4:50"
	}
	return "udp"
}

func (p packet) address(host string, port int) net.Addr {
	if p.srcPort == 0 {
		return &net.IPAddr{IP: net.ParseIP(host)}
	}
	return &net.UDPAddr{IP: net.ParseIP(host), Port: port}
}

// arrives sends the packet and waits until it came, or until stopped says that
// it was stopped on the way and the listener has nothing.
func (p packet) arrives(t *testing.T, stopped func() bool) bool {
	t.Helper()
	listen := p.listen(t)
	defer listen.Close()
	p.send(t)
	buf := make([]byte, 2000)
	for end := time.Now().Add(netns.Patience(patience)); time.Now().Before(end); {
		last := stopped()
		_ = listen.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, _, err := listen.ReadFrom(buf)
		switch {
		case err == nil && string(buf[:n]) == p.name:
			return true
		case err != nil && last:
			return false
		}
	}
	t.Errorf("%s: neither stopped nor arrived", p.name)
	return false
}

func (p packet) listen(t *testing.T) net.PacketConn {
	t.Helper()
	var c net.PacketConn
	err := p.to.Do(func() (err error) {
		if p.srcPort == 0 {
			c, err = net.ListenIP(p.network(), p.address(p.dst, 0).(*net.IPAddr))
		} else {
			c, err = net.ListenUDP("udp", p.address(p.dst, p.dstPort).(*net.UDPAddr))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p packet) dial(t *testing.T) net.Conn {
	t.Helper()
	var c net.Conn
	err := p.from.Do(func() (err error) {
		if p.srcPort == 0 {
			c, err = net.DialIP(p.network(), p.address(p.src, 0).(*net.IPAddr), p.address(p.dst, 0).(*net.IPAddr))
		} else {
			c, err = net.DialUDP("udp", p.address(p.src, p.srcPort).(*net.UDPAddr), p.address(p.dst, p.dstPort).(*net.UDPAddr))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// send sends one packet. EPERM is how this host's own guard answers.
func (p packet) send(t *testing.T) {
	t.Helper()
	c := p.dial(t)
	defer c.Close()
	if _, err := c.Write([]byte(p.name)); err != nil && !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
}

// dropped is what the guard's counters say.
func (b *bed) dropped(t testing.TB) (packets uint64) {
	t.Helper()
	err := b.gateway.Do(func() error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseLasting() }()
		table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
		for _, c := range chains(false) {
			rules, err := conn.GetRules(table, &nftables.Chain{Name: c.name})
			if err != nil {
				return nil // there is no guard
			}
			packets += counted(rules)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

func counted(rules []*nftables.Rule) (packets uint64) {
	for _, r := range rules {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				packets += c.Packets
			}
		}
	}
	return packets
}
