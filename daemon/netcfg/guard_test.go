package netcfg

import (
	"testing"
)

// packets are every way between the pair, and some beside it. What goes to the
// IDC goes through the device.
func (b *bed) packets(toIDC bool) []packet {
	far, passes := b.internet, false
	if toIDC {
		far, passes = b.idc, true
	}
	const vpc4, idc4, own4, net4 = "192.168.1.2", "10.0.1.2", "192.168.1.1", "203.0.113.1"
	const vpc6, idc6, own6, net6 = "2001:db8:1::2", "2001:db8:2::2", "2001:db8:1::1", "2001:db8:f::1"
	return []packet{
		{"forwarded out", b.vpc, far, vpc4, idc4, 1000, 2000, passes},
		{"forwarded in", far, b.vpc, idc4, vpc4, 1000, 2000, passes},
		{"own out", b.gateway, far, own4, idc4, 1000, 2000, passes},
		{"own in", far, b.gateway, idc4, own4, 1000, 2000, passes},
		{"IPv6 forwarded out", b.vpc, far, vpc6, idc6, 1000, 2000, passes},
		{"IPv6 forwarded in", far, b.vpc, idc6, vpc6, 1000, 2000, passes},
		{"IPv6 own out", b.gateway, far, own6, idc6, 1000, 2000, passes},
		{"IPv6 own in", far, b.gateway, idc6, own6, 1000, 2000, passes},

		{"IKE of this host out", b.gateway, far, own4, idc4, 500, 500, true},
		{"IKE of this host in", far, b.gateway, idc4, own4, 500, 500, true},
		{"NAT-T of this host out", b.gateway, far, own4, idc4, 4500, 33333, true},
		{"NAT-T of this host in", far, b.gateway, idc4, own4, 33333, 4500, true},
		{"ESP of this host out", b.gateway, far, own4, idc4, 0, 0, true},
		{"ESP of this host in", far, b.gateway, idc4, own4, 0, 0, true},
		{"IPv6 IKE of this host out", b.gateway, far, own6, idc6, 500, 500, true},
		{"IPv6 IKE of this host in", far, b.gateway, idc6, own6, 500, 500, true},
		{"IPv6 ESP of this host out", b.gateway, far, own6, idc6, 0, 0, true},
		{"IPv6 ESP of this host in", far, b.gateway, idc6, own6, 0, 0, true},

		{"IKE of the VPC", b.vpc, far, vpc4, idc4, 500, 500, passes},
		{"NAT-T to the VPC", far, b.vpc, idc4, vpc4, 4500, 4500, passes},
		{"ESP of the VPC", b.vpc, far, vpc4, idc4, 0, 0, passes},
		{"ESP to the VPC", far, b.vpc, idc4, vpc4, 0, 0, passes},
		{"IPv6 ESP of the VPC", b.vpc, far, vpc6, idc6, 0, 0, passes},

		{"beside the pair, out", b.vpc, b.internet, vpc4, net4, 1000, 2000, true},
		{"beside the pair, in", b.internet, b.vpc, net4, vpc4, 1000, 2000, true},
		{"beside the pair, IPv6", b.vpc, b.internet, vpc6, net6, 1000, 2000, true},
		{"within this host", b.gateway, b.gateway, own4, "203.0.113.2", 1000, 2000, true},
	}
}

// try sends each packet: it must arrive, or be counted by the guard and not
// arrive.
func (b *bed) try(t *testing.T, packets []packet, guarded bool) {
	t.Helper()
	for _, p := range packets {
		want, before := p.passes || !guarded, b.dropped(t)
		if got := p.arrives(t, func() bool { return b.dropped(t) > before }); got != want {
			t.Errorf("%s (%s -> %s, guarded %v): arrives %v, want %v", p.name, p.src, p.dst, guarded, got, want)
		}
	}
}

// throughDevice adds what leads to the IDC, as SetRoutes would.
func (b *bed) throughDevice(t *testing.T) {
	b.run(t, b.gateway, "ip route add 10.0.1.0/24 dev "+device+" via 172.16.0.1")
	b.run(t, b.gateway, "ip route add 2001:db8:2::/64 dev "+device+" via 2001:db8:e::1")
}

func TestGuard(t *testing.T) {
	b := newBed(t)
	t.Run("without a guard all packets arrive", func(t *testing.T) { b.try(t, b.packets(false), false) })
	b.guard(t, guards())
	t.Run("no route through the device", func(t *testing.T) { b.try(t, b.packets(false), true) })
	b.throughDevice(t)
	t.Run("through the device", func(t *testing.T) { b.try(t, b.packets(true), true) })
	b.run(t, b.gateway, "ip link delete "+device)
	t.Run("the device is gone", func(t *testing.T) { b.try(t, b.packets(false), true) })
	if err := b.net.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("the process is gone", func(t *testing.T) { b.try(t, b.packets(false), true) })
	b.net = open(t, b.gateway)
	if err := b.net.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("cleared", func(t *testing.T) { b.try(t, b.packets(false), false) })
}
