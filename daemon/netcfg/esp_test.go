package netcfg

import (
	"strings"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
)

// TestKernelESP lets real ESP through the guard: a packet comes to the XFRM
// interface, and a second time, in clear and with the outer device, to
// postrouting. What the peer's ESP brings comes out of the interface.
func TestKernelESP(t *testing.T) {
	b := newBed(t)
	b.run(t, b.gateway, "ip link delete "+device)
	const ifID = " if_id 0x54570001"
	if out, err := b.gateway.Run(t.Context(), "ip", strings.Fields("link add "+device+" type xfrm dev lo"+ifID)...); err != nil {
		if netns.InVM() {
			t.Fatal("the virtual machine should have XFRM interfaces: ", out)
		}
		t.Skip("this kernel has no XFRM interfaces: ", out)
	}
	b.run(t, b.gateway, "ip link set "+device+" up")
	const pair = " src 192.168.1.0/24 dst 10.0.1.0/24"
	const back = " src 10.0.1.0/24 dst 192.168.1.0/24"
	const outer, inner = " src 203.0.113.2 dst 203.0.113.1", " src 203.0.113.1 dst 203.0.113.2"
	const esp, keys = " proto esp reqid 7 mode tunnel", " aead rfc4106(gcm(aes)) 0x0123456789abcdef0123456789abcdef01234567 128"
	b.run(t, b.gateway, "ip xfrm policy add"+pair+" dir out"+ifID+" tmpl"+outer+esp)
	for _, dir := range []string{"in", "fwd"} {
		b.run(t, b.gateway, "ip xfrm policy add"+back+" dir "+dir+ifID+" tmpl"+inner+esp)
	}
	b.run(t, b.internet, "ip xfrm policy add"+back+" dir out tmpl"+inner+esp)
	b.run(t, b.internet, "ip xfrm policy add"+pair+" dir in tmpl"+outer+esp)
	for _, end := range []*netns.Space{b.gateway, b.internet} {
		id := ""
		if end == b.gateway {
			id = ifID
		}
		b.run(t, end, "ip xfrm state add"+outer+" spi 0x1001"+esp+keys+id)
		b.run(t, end, "ip xfrm state add"+inner+" spi 0x1002"+esp+keys+id)
	}
	b.routed(t, want())
	b.guard(t, guards()[:1])
	through := []packet{
		{"out through ESP", b.vpc, b.internet, "192.168.1.2", "10.0.1.2", 1000, 2000, true},
		{"in through ESP", b.internet, b.vpc, "10.0.1.2", "192.168.1.2", 1000, 2000, true},
		{"own out through ESP", b.gateway, b.internet, "192.168.1.1", "10.0.1.2", 1000, 2000, true},
		{"own in through ESP", b.internet, b.gateway, "10.0.1.2", "192.168.1.1", 1000, 2000, true},
	}
	b.try(t, through, true)
	if out := b.run(t, b.internet, "ip -s xfrm state list spi 0x1001"); !strings.Contains(out, "2(packets)") {
		t.Errorf("it did not come as ESP:\n%s", out)
	}

	b.run(t, b.gateway, "ip xfrm policy flush")
	b.run(t, b.internet, "ip xfrm policy flush")
	b.run(t, b.gateway, "ip link delete "+device)
	in, own := through[1], through[3] // the peer now sends in clear; nothing goes out for want of a route
	in.passes, own.passes = false, false
	b.try(t, []packet{in, own}, true)
}
