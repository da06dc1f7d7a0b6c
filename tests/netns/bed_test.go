package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sides of the bed as the tests call them.
var (
	vpcHost = netip.MustParseAddr("192.168.1.10")
	idcHost = netip.MustParseAddr("10.0.1.1")
)

func TestNeighboursReachEachOther(t *testing.T) {
	b := ForTest(t, QuickStart())
	for name, c := range map[string]struct {
		space    *Space
		from, to string
	}{
		"the VPC host its gateway":                 {b.VPC, "192.168.1.10", "192.168.1.254"},
		"the IDC host its gateway":                 {b.IDC, "10.0.1.1", "10.0.1.254"},
		"the gateways each other":                  {b.Gateway, "203.195.147.82", "202.108.22.5"},
		"the VPC host its gateway's other address": {b.VPC, "192.168.1.10", "203.195.147.82"},
	} {
		e, err := c.space.Ping(t.Context(), Ping{From: netip.MustParseAddr(c.from), To: netip.MustParseAddr(c.to), Count: 2})
		if err != nil || e.Received != 2 || e.RTT <= 0 {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
}

// Without a tunnel the networks inside do not reach each other, and the
// internet sees their packets in clear: the capture that is to prove that there
// are none can see them.
func TestWithoutATunnelClearTextShows(t *testing.T) {
	b := ForTest(t, QuickStart())
	c, err := b.Internet.Capture(append(b.Sites.VPC.Networks(), b.Sites.IDC.Networks()...)...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.VPC.Ping(t.Context(), Ping{From: vpcHost, To: idcHost, Count: 3, Timeout: 50 * time.Millisecond})
	if !errors.Is(err, ErrLost) {
		t.Errorf("ping without a tunnel: %v", err)
	}
	wait(t, func() error {
		if seen := c.Tally(); seen.Clear < 3 {
			return fmt.Errorf("seen: %v", seen)
		}
		return nil
	})
	tally, err := c.Stop()
	if err != nil || tally.Clear != 3 || tally.Protected() != 0 {
		t.Errorf("seen outside: %v, %v; want 3 in clear text", tally, err)
	}
	if frames := c.Frames(Clear); len(frames) != 3 || frames[0].Src != vpcHost || frames[0].Dst != idcHost {
		t.Errorf("frames in clear text: %v", frames)
	}
}

func TestCaptureCountsTheGatewaysPacketsOnce(t *testing.T) {
	b := ForTest(t, QuickStart())
	c, err := b.Internet.Capture()
	if err != nil {
		t.Fatal(err)
	}
	send := func(from *Space, to string, port uint16, data []byte) {
		t.Helper()
		err := from.Do(func() error {
			conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(to), port)))
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	send(b.Gateway, "202.108.22.5", 500, []byte("hello"))
	send(b.Gateway, "202.108.22.5", 4500, []byte("SPI1seq1"))
	send(b.Customer, "203.195.147.82", 4500, []byte("SPI2seq1"))
	send(b.Customer, "203.195.147.82", 4500, []byte{0xff})
	wait(t, func() error {
		if seen := c.Tally(); seen.IKE+seen.ESPinUDP+seen.Keepalive < 4 {
			return fmt.Errorf("seen: %v", seen)
		}
		return nil
	})
	tally, err := c.Stop()
	if err != nil || tally.IKE != 1 || tally.ESPinUDP != 2 || tally.Keepalive != 1 || tally.Clear != 0 {
		t.Errorf("seen: %v, %v; want 1 IKE, 2 ESP in UDP, 1 keepalive", tally, err)
	}
}

func TestOverIPv6(t *testing.T) {
	sites := QuickStart()
	sites.VPC.Public, sites.IDC.Public = netip.MustParsePrefix("2001:db8:1::82/64"), netip.MustParsePrefix("2001:db8:2::5/64")
	sites.VPC.Hosts = append([]netip.Prefix{netip.MustParsePrefix("fd00:1::10/64")}, sites.VPC.Hosts...)
	b := ForTest(t, sites)
	if _, err := b.Gateway.Ping(t.Context(), Ping{From: sites.VPC.Public.Addr(), To: sites.IDC.Public.Addr()}); err != nil {
		t.Error(err)
	}
	if _, err := b.VPC.Ping(t.Context(), Ping{From: netip.MustParseAddr("fd00:1::10"), To: netip.MustParseAddr("fd00:1::ffff:ffff:ffff:fffe")}); err != nil {
		t.Error(err)
	}
}

// What a gateway on IPv6 leaks of IPv4 shows on the internet, too. Without a
// route the kernel would drop it before it asks for a policy, even one that encrypts.
func TestIPv4LeaksOverIPv6(t *testing.T) {
	sites := QuickStart()
	sites.VPC.Public, sites.IDC.Public = netip.MustParsePrefix("2001:db8:1::82/64"), netip.MustParsePrefix("2001:db8:2::5/64")
	b := ForTest(t, sites)
	vpc, idc := sites.VPC.Hosts[0], sites.IDC.Hosts[0]
	for from, to := range map[*Space][2]netip.Prefix{b.VPC: {vpc, idc}, b.IDC: {idc, vpc}} {
		c, err := b.Internet.Capture(to[0].Masked(), to[1].Masked())
		if err != nil {
			t.Fatal(err)
		}
		ping := Ping{From: to[0].Addr(), To: to[1].Addr(), Timeout: Patience(200 * time.Millisecond)}
		if _, err := from.Ping(t.Context(), ping); err == nil {
			t.Error("the internet knows a way to a network inside")
		}
		if tally, err := c.Stop(); err != nil || tally.Clear == 0 {
			t.Errorf("seen from %s: %v, %v; want the ping", from.Name, tally, err)
		}
	}
}

// The machine's own network is neither changed nor reached.
func TestTheMachineIsLeftAlone(t *testing.T) {
	before, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	b := ForTest(t, QuickStart())
	during, err := net.Interfaces()
	if err != nil || len(during) != len(before) {
		t.Errorf("the machine had %d network devices, and %d beside the bed (%v)", len(before), len(during), err)
	}
	for _, s := range []*Space{b.VPC, b.Gateway, b.Internet, b.Customer, b.IDC} {
		devices, err := s.Devices()
		foreign := func(name string) bool {
			return !slices.Contains([]string{"lo", Inside, Outside, Host, ToVPC, ToIDC}, name) && !bornWithTheNamespace(name)
		}
		if err != nil || slices.ContainsFunc(devices, foreign) {
			t.Errorf("namespace %s has %v (%v)", s.Name, devices, err)
		}
	}
}

// bornWithTheNamespace tells the idle tunnel devices that some kernels put into
// every namespace.
func bornWithTheNamespace(name string) bool {
	return slices.Contains([]string{"tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"}, name)
}

func TestProgramsRunInside(t *testing.T) {
	b := ForTest(t, QuickStart())
	out, err := b.Gateway.Run(t.Context(), "cat", "/proc/net/route")
	if err != nil || !strings.Contains(out, Outside) {
		t.Errorf("the gateway's routes, as a program inside sees them: %q, %v", out, err)
	}
	if _, err := b.Gateway.Run(t.Context(), "false"); err == nil {
		t.Error("a program that fails is no error")
	}
	if _, err := b.Gateway.Run(t.Context(), "no-such-program"); err == nil {
		t.Error("a program that does not exist is no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Gateway.Run(ctx, "sleep", "60"); err == nil {
		t.Error("a program that was not waited for is no error")
	}
}

func TestAProgramIsStopped(t *testing.T) {
	b := ForTest(t, QuickStart())
	p, err := b.IDC.Start(exec.Command("sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	if left, err := b.IDC.Programs(); err != nil || len(left) != 1 || left[0] != (Leftover{p.PID(), "sleep 60"}) {
		t.Errorf("programs inside: %v, %v", left, err)
	}
	if err := p.Stop(Patience(time.Second)); err != nil {
		t.Error(err)
	}
	if p.Err() == nil {
		t.Error("a stopped program is said to run")
	}
	deaf, err := b.IDC.Start(exec.Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"))
	if err != nil {
		t.Fatal(err)
	}
	wait(t, func() error {
		if deaf.Output() == "" {
			return errors.New("no output")
		}
		return nil
	})
	if err := deaf.Stop(100 * time.Millisecond); err == nil {
		t.Error("a program that does not end is no error")
	}
}

// What was forgotten in a namespace is killed when the namespace goes, and
// named.
func TestLeftoversAreFound(t *testing.T) {
	NeedRoot(t)
	s, err := New("forgetful")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Start(exec.Command("sleep", "61"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), `"sleep 61"`) {
		t.Errorf("closing a namespace with a program in it: %v", err)
	}
	<-p.Done()
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the program lives on: %v", err)
	}
}

func TestTheThreadComesBack(t *testing.T) {
	b := ForTest(t, QuickStart())
	where := func() uint64 {
		inode, err := inodeOf("/proc/thread-self/ns/net")
		if err != nil {
			t.Error(err)
		}
		return inode
	}
	home := where()
	err := b.VPC.Do(func() error {
		if where() != b.VPC.inode {
			t.Error("not in the VPC")
		}
		return b.IDC.Do(func() error {
			if where() != b.IDC.inode {
				t.Error("not in the IDC")
			}
			return os.ErrInvalid
		})
	})
	if !errors.Is(err, os.ErrInvalid) || where() != home {
		t.Errorf("came back with %v to %d, want %d", err, where(), home)
	}
}

func TestUntilTellsWhatItWaitedFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err := Until(ctx, func() error { return os.ErrNotExist })
	if !errors.Is(err, os.ErrNotExist) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func wait(t *testing.T, cond func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience(5*time.Second))
	defer cancel()
	if err := Until(ctx, cond); err != nil {
		t.Fatal(err)
	}
}
