package kernel

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// Two kernels, so to speak: two namespaces with a wire between them.
func TestContract(t *testing.T) {
	needESP(t)
	xfrmtest.Contract(t, func(t *testing.T) xfrmtest.Subject {
		s := xfrmtest.Veth(t, func(t testing.TB, outer netip.Addr) xfrm.Backend {
			takeESPinUDP(t)
			b, err := New()
			must(t, err)
			return b
		})
		s.Foreign = func(t testing.TB) func(t testing.TB) { return somebodyElse(t, s.A.Inside) }
		return s
	})
}

// takeESPinUDP opens what the daemon's port 4500 is: the kernel takes ESP out
// of UDP only where a socket asks for it.
func takeESPinUDP(t testing.TB) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: xfrm.PortNATT})
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	raw, err := c.SyscallConn()
	must(t, err)
	var failed error
	must(t, raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_ENCAP, encapESPinUDP)
	}))
	must(t, failed)
}

// The kernel's tables as another IPsec program fills them. Its policies are of
// a family and an if_id that no test packet meets.
const (
	othersPolicy = "xfrm policy add src 2001:db8:f::/48 dst 2001:db8:e::/48 dir out if_id 7 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel"
	othersSA     = "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xabc mode tunnel if_id 7 " +
		"auth-trunc hmac(sha1) 0x0102030405060708090a0b0c0d0e0f1011121314 96 enc cbc(aes) 0x0102030405060708090a0b0c0d0e0f10"
	othersLink = "link add theirs type xfrm dev lo if_id 7"
)

// somebodyElse puts them there and returns a look at whether they stayed.
func somebodyElse(t testing.TB, inside func(func() error) error) (check func(t testing.TB)) {
	t.Helper()
	for _, line := range []string{othersLink, othersPolicy, othersSA} {
		ipInside(t, inside, strings.Fields(line)...)
	}
	return func(t testing.TB) {
		t.Helper()
		all := ipInside(t, inside, "xfrm", "state") + ipInside(t, inside, "xfrm", "policy") + ipInside(t, inside, "link")
		for _, want := range []string{"spi 0x00000abc", "dst 2001:db8:e::/48", "theirs"} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is gone:\n%s", want, all)
			}
		}
	}
}
