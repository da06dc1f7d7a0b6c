package kernel

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/xfrm"
)

// ipInside runs the ip program on a thread that is in some namespace.
func ipInside(t testing.TB, inside func(func() error) error, args ...string) (out string) {
	t.Helper()
	must(t, inside(func() error {
		b, err := exec.Command("ip", args...).CombinedOutput()
		out = string(b)
		if err != nil {
			t.Errorf("ip %v: %v\n%s", args, err, out)
		}
		return nil
	}))
	return out
}

func (p place) wantSAs(t *testing.T, want ...xfrm.SA) {
	t.Helper()
	s, err := p.Dump(t.Context())
	must(t, err)
	for i := range want {
		want[i] = bare(want[i])
	}
	if len(s.SAs)+len(want) > 0 && !reflect.DeepEqual(s.SAs, want) {
		t.Fatalf("SAs\n got %+v\nwant %+v", s.SAs, want)
	}
}

func TestSAAsIPShowsIt(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	in, six := sampleSA(), sampleSA6()
	six.Dir = xfrm.Out
	must(t, p.PutSA(t.Context(), in))
	must(t, p.PutSA(t.Context(), six))
	shown := strings.Join(strings.Fields(p.ip(t, "-s", "xfrm", "state")), " ")
	for _, want := range []string{
		"src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee01(3237998081) reqid 4711(0x00001267) mode tunnel",
		"src 2001:db8::1 dst 2001:db8::2 proto esp spi 0xc0ffee01",
		"flag af-unspec (",
		"auth-trunc hmac(sha256) " + hexOf(in.AuthKey) + " (256 bits) 128",
		"enc cbc(aes) " + hexOf(in.EncKey) + " (256 bits)",
		"encap type espinudp sport 61000 dport 4500",
		"seq-hi 0x0, seq 0x0, oseq-hi 0x0, oseq 0x0 replay_window 1024, bitmap-length 32",
		"replay_window 0, bitmap-length 0",
		"limit: soft 1000(bytes), hard 2000(bytes) limit: soft (INF)(packets), hard (INF)(packets)",
		"expire add: soft 3000(sec), hard 3600(sec) expire use: soft 0(sec), hard 0(sec)",
		"if_id 0x54570001",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("ip does not show %q in\n%s", want, shown)
		}
	}
}

// tunnel is two places with a wire, and a tunnel between the networks 10.1/16
// and 10.2/16 behind them.
type tunnel struct {
	a, b      place
	out, back xfrm.SA // as A has them
	policy    xfrm.Policy
}

func newTunnel(t *testing.T) *tunnel {
	t.Helper()
	u := &tunnel{a: newPlace(t), b: newPlace(t), policy: samplePolicy()}
	must(t, netns.Wire(
		netns.End{Space: u.a.Space, Device: "wire", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
		netns.End{Space: u.b.Space, Device: "wire", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")}},
	))
	u.out = sampleSA()
	u.out.Dir, u.out.Encap, u.out.Soft, u.out.Hard = xfrm.Out, xfrm.Encap{}, xfrm.Limit{}, xfrm.Limit{}
	u.back = u.out
	u.back.Dir, u.back.SPI = xfrm.In, u.out.SPI+1
	u.back.Src, u.back.Dst = u.out.Dst, u.out.Src
	for _, end := range []struct {
		place
		own, other string
		policy     xfrm.Policy
		sas        []xfrm.SA
	}{
		{u.a, "10.1.0.1", "10.2.0.0/16", u.policy, []xfrm.SA{u.out, u.back}},
		{u.b, "10.2.0.1", "10.1.0.0/16", turned(u.policy), []xfrm.SA{mirrored(u.out), mirrored(u.back)}},
	} {
		must(t, end.SetLinks(t.Context(), []xfrm.Link{{Name: "twin0001", IfID: gateway, MTU: 1400}}))
		end.ip(t, "address", "add", end.own+"/32", "dev", "lo")
		end.ip(t, "route", "add", end.other, "dev", "twin0001", "src", end.own)
		must(t, end.SetPolicies(t.Context(), []xfrm.Policy{end.policy}))
		for _, sa := range end.sas {
			must(t, end.PutSA(t.Context(), sa))
		}
	}
	return u
}

// turned is a policy as the other end has it, mirrored an SA.
func turned(p xfrm.Policy) xfrm.Policy {
	p.Sel.Local, p.Sel.Remote = p.Sel.Remote, p.Sel.Local
	p.TunnelLocal, p.TunnelRemote = p.TunnelRemote, p.TunnelLocal
	return p
}

func mirrored(sa xfrm.SA) xfrm.SA {
	sa.Dir = xfrm.In + xfrm.Out - sa.Dir
	return sa
}

// ping sends n packets each way; each must arrive.
func (u *tunnel) ping(t *testing.T, n int) {
	t.Helper()
	e, err := u.a.Ping(t.Context(), netns.Ping{From: netip.MustParseAddr("10.1.0.1"), To: netip.MustParseAddr("10.2.0.1"), Count: n})
	if err != nil {
		t.Fatalf("%v (%v)\n%s", err, e, u.b.ip(t, "-s", "xfrm", "state"))
	}
}

func usageOf(t *testing.T, p place, sa xfrm.SA) xfrm.Usage {
	t.Helper()
	all, err := p.Usage(t.Context())
	must(t, err)
	return all[sa.ID()]
}

// To put an SA again, as it is or with other ends, goes on with its sequence
// numbers: the peer drops what comes with numbers that it has seen.
func TestAnSAThatIsPutAgainGoesOn(t *testing.T) {
	needESP(t)
	u := newTunnel(t)
	u.ping(t, 50)
	for range 2 {
		must(t, u.a.PutSA(t.Context(), u.out))
		must(t, u.a.PutSA(t.Context(), u.back))
		u.ping(t, 5)
	}
	if n := usageOf(t, u.a, u.out).Packets; n != 60 {
		t.Errorf("the SA has sent %d packets, want 60", n)
	}

	// Another reqid is what UPDSA cannot change.
	u.policy.ReqID, u.out.ReqID, u.back.ReqID = 4712, 4712, 4712
	must(t, u.a.SetPolicies(t.Context(), []xfrm.Policy{u.policy}))
	must(t, u.a.PutSA(t.Context(), u.out))
	must(t, u.a.PutSA(t.Context(), u.back))
	u.ping(t, 5)
	if n := usageOf(t, u.a, u.out).Packets; n != 65 {
		t.Errorf("the SA that was moved has sent %d packets, want 65", n)
	}
	if shown := u.a.ip(t, "-d", "xfrm", "state"); !strings.Contains(shown, "oseq 0x10041") { // 60 + 2^16 + 5
		t.Errorf("the sequence numbers did not step ahead:\n%s", shown)
	}
	for _, sa := range []xfrm.SA{u.out, u.back} {
		if x := usageOf(t, u.b, sa); x.ReplayErrors+x.IntegrityErrs > 0 {
			t.Errorf("the peer counts errors: %+v", x)
		}
	}

	// Other keys are another SA.
	u.out.EncKey, u.out.AuthKey = key(7, 32), key(8, 32)
	must(t, u.b.PutSA(t.Context(), func() xfrm.SA { sa := mirrored(u.out); sa.ReqID = 4711; return sa }()))
	must(t, u.a.PutSA(t.Context(), u.out))
	u.ping(t, 5)
	if n := usageOf(t, u.a, u.out).Packets; n != 5 {
		t.Errorf("the SA with new keys has sent %d packets, want 5", n)
	}
}

// 1000 packets may overtake each other; what is older, or comes twice, is
// dropped and counted.
func TestReplayIsCounted(t *testing.T) {
	needESP(t)
	u := newTunnel(t)
	u.ping(t, 3)
	// Sending begins again under the same key, as after a crash without a word
	// to the peer: all numbers were seen.
	must(t, u.a.DropSA(t.Context(), u.out.SPI, u.out.Dst))
	must(t, u.a.PutSA(t.Context(), u.out))
	_, err := u.a.Ping(t.Context(), netns.Ping{
		From: netip.MustParseAddr("10.1.0.1"), To: netip.MustParseAddr("10.2.0.1"), Count: 2, Timeout: 200 * time.Millisecond,
	})
	if err == nil {
		t.Error("replayed sequence numbers were taken")
	}
	if x := usageOf(t, u.b, u.out); x.ReplayErrors != 2 || x.Packets != 3 {
		t.Errorf("usage %+v, want 2 replay errors and 3 packets", x)
	}
}

// To change ports leaves the limits and the age as they are.
func TestAnSAThatFollowsItsPeerIsTheSame(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	sa := sampleSA()
	must(t, p.PutSA(t.Context(), sa))
	before := p.ip(t, "-s", "xfrm", "state")
	ports := sa.Encap
	sa.Encap = xfrm.Encap{SrcPort: 61001, DstPort: 4500}
	must(t, p.SetEncap(t.Context(), sa.ID(), sa.Encap))
	p.wantSAs(t, sa)
	if got := usageOf(t, p, sa); got.Added.IsZero() || got.Packets != 0 {
		t.Errorf("usage %+v", got)
	}
	must(t, p.SetEncap(t.Context(), sa.ID(), ports))
	if after := p.ip(t, "-s", "xfrm", "state"); after != before {
		t.Errorf("there and back again, it is\n%s\nand was\n%s", after, before)
	}
}

func TestOthersSAsStay(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	p.ip(t, strings.Fields(othersSA)...)
	taken := sampleSA()
	taken.SPI = 0xabc
	const want = "add SA 0x00000abc to 192.0.2.2: the kernel has an SA of another program with this SPI and destination; choose another SPI"
	if err := p.PutSA(t.Context(), taken); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
	if err := p.DropSA(t.Context(), taken.SPI, taken.Dst); err == nil {
		t.Error("the SA of another program was deleted")
	}
	if err := p.SetEncap(t.Context(), taken.ID(), taken.Encap); err == nil {
		t.Error("the SA of another program was changed")
	}
	p.wantSAs(t)
	if shown := p.ip(t, "xfrm", "state"); !strings.Contains(shown, "0x0102030405060708090a0b0c0d0e0f10") {
		t.Errorf("it is gone:\n%s", shown)
	}
}

// The kernel's reasons reach the operator.
func TestRefusalsHaveReasons(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	sa := sampleSA()
	err := p.PutSA(t.Context(), sa)
	must(t, err)
	other := sa
	other.SPI++
	r := newSA(other, history{})
	write := r.write
	r.write = func(b []byte) []byte { // a mode that the kernel does not have
		start := len(b)
		b = write(b)
		b[start+214] = 99
		return b
	}
	p.sas.mu.Lock()
	err = p.sas.do(r)
	p.sas.mu.Unlock()
	if err == nil || !strings.HasPrefix(err.Error(), "invalid argument: ") {
		t.Errorf("got %v, want the kernel's reason after the errno", err)
	}
	p.wantSAs(t, sa)
}

// Keys leave no trace in the buffers, whether or not the kernel takes the SA.
func TestKeysAreWiped(t *testing.T) {
	p := newPlace(t)
	sa := sampleSA()
	secret := []byte("a key that nobody may find again")
	sa.EncKey, sa.AuthKey = xfrm.NewSecret(secret), xfrm.NewSecret(secret)
	err := p.PutSA(t.Context(), sa)
	t.Logf("add: %v", err)
	_, _ = p.Usage(t.Context())
	_ = p.PutSA(t.Context(), sa)
	if cap(p.sas.out) < sizeSAInfo {
		t.Fatal("nothing was sent from this buffer")
	}
	for name, b := range map[string][]byte{"send": p.sas.out[:cap(p.sas.out)], "receive": p.sas.in} {
		if bytes.Contains(b, secret[:8]) {
			t.Errorf("the %s buffer holds the key", name)
		}
	}
}

// What the package says of the packet that meets a policy without an SA: the
// kernel drops it, whatever net.core.xfrm_larval_drop says.
func TestTheFirstPacketIsDropped(t *testing.T) {
	needESP(t)
	for _, larvalDrop := range []string{"0", "1"} {
		u := newTunnel(t)
		u.a.setSysctl(t, "net/core/xfrm_larval_drop", larvalDrop)
		must(t, u.a.DropSA(t.Context(), u.out.SPI, u.out.Dst))
		if _, err := u.a.Ping(t.Context(), netns.Ping{
			From: netip.MustParseAddr("10.1.0.1"), To: netip.MustParseAddr("10.2.0.1"), Count: 3, Timeout: 200 * time.Millisecond,
		}); err == nil {
			t.Error("a ping was answered without an SA")
		}
		must(t, u.a.PutSA(t.Context(), u.out))
		u.ping(t, 5)
		if n := usageOf(t, u.b, u.out).Packets; n != 5 {
			t.Errorf("xfrm_larval_drop %s: %d packets came, want the 5 after the SA was put and none from before", larvalDrop, n)
		}
	}
}

func (p place) setSysctl(t *testing.T, name, value string) {
	t.Helper()
	must(t, p.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) }))
}
