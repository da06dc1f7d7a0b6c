package userspace

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// The test binary is also the two hosts of the tunnel's benchmark, as processes
// of their own: the processor time that they use is not the data plane's.
const (
	roleEnv   = "TWINSPAN_TEST_ROLE"
	sinkPort  = 7800
	bulkChunk = 1 << 18
)

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleEnv); role {
	case "":
		os.Exit(m.Run())
	case "sink":
		exit(sink())
	default:
		n, err := strconv.ParseInt(role, 10, 64)
		if err == nil {
			err = source(n)
		}
		exit(err)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

var hostA, hostB = netip.MustParseAddr("10.77.1.1"), netip.MustParseAddr("10.77.129.1")

// sink takes one TCP connection, reads all of it and confirms.
func sink() error {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(hostB, sinkPort)))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	c, err := l.Accept()
	if err != nil {
		return err
	}
	buf := make([]byte, bulkChunk)
	for err == nil {
		_, err = c.Read(buf)
	}
	if err != io.EOF {
		return err
	}
	_, err = c.Write([]byte("."))
	return err
}

// source sends n bytes and waits for the confirmation.
func source(n int64) error {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(hostA, 0))}
	c, err := d.Dial("tcp4", netip.AddrPortFrom(hostB, sinkPort).String())
	if err != nil {
		return err
	}
	buf := make([]byte, bulkChunk)
	for ; n > 0 && err == nil; n -= bulkChunk {
		_, err = c.Write(buf)
	}
	if err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadFull(c, buf[:1])
	return err
}

// BenchmarkTunnel sends TCP from a host behind A to a host behind B. cpu-s/Gbit
// is what both data planes use for one gigabit of TCP payload: reading the
// device, sealing, sending, receiving, opening, writing the device, in user
// space and in the kernel.
func BenchmarkTunnel(b *testing.B) {
	for _, c := range []struct {
		name  string
		suite xfrm.Suite
		encap xfrm.Encap
	}{
		{"aes128-sha1", plain, xfrm.Encap{}},
		{"aes256-sha256", xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256}, xfrm.Encap{}},
		{"3des-sha1", xfrm.Suite{Cipher: xfrm.TripleDESCBC, Hash: xfrm.SHA1}, xfrm.Encap{}},
		{"aes128-sha1-in-udp", plain, xfrm.Encap{SrcPort: xfrm.PortNATT, DstPort: xfrm.PortNATT}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, _ := openPair(b)
			connect(b, s, c.suite, c.encap)
			b.SetBytes(bulkChunk)
			b.ResetTimer()
			before := cpuTime(b)
			transfer(b, s, int64(b.N)*bulkChunk)
			perGbit(b, cpuTime(b)-before, bulkChunk)
		})
	}
}

// connect makes a tunnel between the networks of hostA and hostB.
func connect(tb testing.TB, s xfrmtest.Subject, suite xfrm.Suite, encap xfrm.Encap) {
	tb.Helper()
	ctx := context.Background()
	sel := xfrm.Selector{Local: netip.PrefixFrom(hostA, 24).Masked(), Remote: netip.PrefixFrom(hostB, 24).Masked()}
	there := testSA(suite)
	there.Src, there.Dst, there.Encap = s.A.Outer, s.B.Outer, encap
	back := there
	back.Src, back.Dst, back.SPI = there.Dst, there.Src, there.SPI+1
	for _, side := range []*xfrmtest.Side{&s.A, &s.B} {
		tb.Cleanup(func() { check(tb, side.Close()) })
		own, out, in, net := sel, there, back, xfrmtest.NetB
		if side == &s.B {
			own, out, in, net = xfrm.Selector{Local: sel.Remote, Remote: sel.Local}, back, there, xfrmtest.NetA
		}
		out.Dir, in.Dir = xfrm.Out, xfrm.In
		check(tb, side.SetLinks(ctx, []xfrm.Link{{Name: "twin0001", IfID: out.IfID, MTU: 1400}}))
		side.Route(tb, "twin0001", net)
		check(tb, side.SetPolicies(ctx, []xfrm.Policy{{Sel: own, ReqID: 1, IfID: out.IfID, Action: xfrm.Protect}}))
		check(tb, side.PutSA(ctx, in))
		check(tb, side.PutSA(ctx, out))
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// transfer sends n bytes through the tunnel, between two processes.
func transfer(tb testing.TB, s xfrmtest.Subject, n int64) {
	tb.Helper()
	to := host(tb, "sink")
	ready, err := to.StdoutPipe()
	check(tb, err)
	check(tb, s.B.Inside(to.Start))
	_, err = io.ReadFull(ready, make([]byte, len("ready\n")))
	check(tb, err)
	from := host(tb, strconv.FormatInt(n, 10))
	check(tb, s.A.Inside(from.Start))
	check(tb, from.Wait())
	check(tb, to.Wait())
}

// host is a process that ends with the test at the latest.
func host(tb testing.TB, role string) *exec.Cmd {
	c := exec.CommandContext(tb.Context(), os.Args[0])
	c.Env = append(os.Environ(), roleEnv+"="+role)
	c.Stderr = os.Stderr
	return c
}
