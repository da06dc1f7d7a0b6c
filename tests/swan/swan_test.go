package swan

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// here is the plane that this machine's kernel lets charon have.
func here() Plane {
	if netns.InVM() {
		return Kernel
	}
	return UserSpace
}

func start(t *testing.T, space *netns.Space) *Charon {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(10*time.Second))
	defer cancel()
	c, err := Start(ctx, space, here())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("charon in %s:\n%s", space.Name, c.Log())
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// conns are the two ends of one tunnel through the bed.
func conns(b *netns.Bed, ike, esp string) (left, right Conn) {
	vpc, idc := b.Sites.VPC, b.Sites.IDC
	left = Conn{
		Name: "t", Local: vpc.Public.Addr(), Remote: idc.Public.Addr(), Key: "correct horse 电池", IKE: ike,
		Children: []Child{{Name: "c", Local: vpc.Networks()[0], Remote: idc.Networks()[0], ESP: esp}},
	}
	right = left
	right.Local, right.Remote = left.Remote, left.Local
	right.Children = []Child{{Name: "c", Local: idc.Networks()[0], Remote: vpc.Networks()[0], ESP: esp}}
	return left, right
}

// Two strongSwans through the bed: what the interop tests find is then about
// Twinspan, not about the bed.
func TestStrongSwanMeetsItself(t *testing.T) {
	if err := Available(); err != nil {
		netns.Lacks(t, err)
	}
	b := netns.ForTest(t, netns.QuickStart())
	left, right := start(t, b.Gateway), start(t, b.Customer)
	for _, c := range []struct{ ike, esp string }{
		{"des-md5-group1", "des-md5-group1"},
		{"3des-sha1-group2", "3des-sha1"},
		{"aes192-md5-group5", "aes192-sha1-group5"},
		{"aes256-sha256-group14", "aes256-sha256-group14"},
		{"aes128-sha1-group24", "aes128-sha1-group24"},
	} {
		t.Run(c.ike+" "+c.esp, func(t *testing.T) { meet(t, b, left, right, c.ike, c.esp) })
	}
}

func meet(t *testing.T, b *netns.Bed, left, right *Charon, ike, esp string) {
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(20*time.Second))
	defer cancel()
	l, r := conns(b, ike, esp)
	if err := left.Load(ctx, l); err != nil {
		t.Fatal(err)
	}
	if err := right.Load(ctx, r); err != nil {
		t.Fatal(err)
	}
	capture, err := b.Internet.Capture(append(b.Sites.VPC.Networks(), b.Sites.IDC.Networks()...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := left.Initiate(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	a, z := theOnly(t, left), theOnly(t, right)
	if a.Proposal != ike || z.Proposal != ike || !a.Initiator || z.Initiator {
		t.Errorf("agreed on %+v and %+v", a, z)
	}
	if a.Children[0].Proposal != esp || a.Children[0].SPIIn != z.Children[0].SPIOut {
		t.Errorf("children %+v and %+v, want %s", a.Children, z.Children, esp)
	}
	ping(t, b.VPC, b.Sites.VPC, b.Sites.IDC)
	ping(t, b.IDC, b.Sites.IDC, b.Sites.VPC)
	seen, err := capture.Stop()
	if err != nil || seen.Clear != 0 || seen.Protected() < 12 {
		t.Errorf("seen outside: %v (%v), want at least 12 of ESP and nothing in clear", seen, err)
	}
	if child := theOnly(t, left).Children[0]; child.PacketsIn < 6 || child.PacketsOut < 6 {
		t.Errorf("counters after 6 pings: %+v", child)
	}
}

// theOnly is the one SA that stands. The responder has its child a moment after
// the initiator: when the third message of quick mode has come.
func theOnly(t *testing.T, c *Charon) (sa SA) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(2*time.Second))
	defer cancel()
	err := netns.Until(ctx, func() error {
		sas, err := c.SAs(ctx)
		if err != nil {
			return err
		}
		if len(sas) != 1 || sas[0].State != "ESTABLISHED" || len(sas[0].Children) != 1 || sas[0].Children[0].State != "INSTALLED" {
			return fmt.Errorf("SAs: %+v; want one that stands, with a child", sas)
		}
		sa = sas[0]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sa
}

func ping(t *testing.T, space *netns.Space, from, to netns.Site) {
	t.Helper()
	e, err := space.Ping(t.Context(), netns.Ping{From: from.Hosts[0].Addr(), To: to.Hosts[0].Addr(), Count: 3, Size: 100})
	if err != nil {
		t.Errorf("%v: %v", e, err)
	}
}

func TestAWrongKeyIsAnError(t *testing.T) {
	if err := Available(); err != nil {
		netns.Lacks(t, err)
	}
	b := netns.ForTest(t, netns.QuickStart())
	left, right := start(t, b.Gateway), start(t, b.Customer)
	l, r := conns(b, "aes128-sha1-group2", "aes128-sha1")
	r.Key = "wrong"
	if err := left.Load(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := right.Load(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(time.Second))
	defer cancel()
	if err := left.Initiate(ctx, "c"); err == nil {
		t.Error("came up with different keys")
	}
	ctx, cancel = context.WithTimeout(t.Context(), netns.Patience(time.Second))
	defer cancel()
	if err := left.Initiate(ctx, "nobody"); err == nil {
		t.Error("a child that is not configured came up")
	}
}

// What swanctl reads from a file is what vici was told.
func TestLoadFileIsLoad(t *testing.T) {
	if err := Available(); err != nil {
		netns.Lacks(t, err)
	}
	b := netns.ForTest(t, netns.QuickStart())
	left, right := start(t, b.Gateway), start(t, b.Customer)
	l, r := conns(b, "aes128-sha1-group2", "aes128-sha1")
	l.Key = `quotes " and \ and # and {braces} 钥匙`
	r.Key = l.Key
	if out, err := left.LoadFile(t.Context(), l); err != nil || !strings.Contains(out, "successfully loaded 1 connections") {
		t.Fatalf("%s%v", out, err)
	}
	if err := right.Load(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(10*time.Second))
	defer cancel()
	if err := left.Initiate(ctx, "c"); err != nil {
		t.Error(err)
	}
	if got := theOnly(t, right).Children[0].Local; len(got) != 1 || got[0] != netip.MustParsePrefix("10.0.1.0/24") {
		t.Errorf("networks %v", got)
	}
}
