package netcfg

import (
	"strings"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/vishvananda/netlink"
)

const table = tables | 0x00ab

// want leads the bed's pairs through its device.
func want() Want {
	return Want{
		Devices: []Device{{device, "gateway TomVPNGw"}},
		Routes:  []Route{{table, pfx("10.0.1.0/24"), device}, {table, pfx("2001:db8:2::/64"), device}},
		Rules:   []Rule{{pfx("192.168.1.0/24"), table}, {pfx("2001:db8:1::/64"), table}},
	}
}

func (b *bed) routed(t *testing.T, w Want) {
	t.Helper()
	if err := b.net.SetRoutes(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// listing is what iproute2 shows of our tables and of all rules.
func (b *bed) listing(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, command := range []string{"ip -4 -d route show table all", "ip -6 -d route show table all"} {
		for line := range strings.Lines(b.run(t, b.gateway, command)) {
			if strings.Contains(line, " table 1414") {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	for _, command := range []string{"ip -4 rule", "ip -6 rule"} {
		for line := range strings.Lines(b.run(t, b.gateway, command)) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// The two ways of the bed: through the device, and out to the internet.
func (b *bed) outward(far *netns.Space, passes bool) []packet {
	return []packet{
		{"IPv4", b.vpc, far, "192.168.1.2", "10.0.1.2", 1000, 2000, passes},
		{"IPv6", b.vpc, far, "2001:db8:1::2", "2001:db8:2::2", 1000, 2000, passes},
	}
}

func TestRoutes(t *testing.T) {
	b := newBed(t)
	before := b.listing(t)
	b.try(t, b.outward(b.internet, true), false)
	b.routed(t, want())
	const routes = `unicast 10.0.1.0/24 dev twin0001 table 1414987947 proto 84 scope link metric 100
unreachable 10.0.1.0/24 table 1414987947 proto 84 scope global metric 200
unicast 2001:db8:2::/64 dev twin0001 table 1414987947 proto 84 scope global metric 100 pref medium
unreachable 2001:db8:2::/64 dev lo table 1414987947 proto 84 scope global metric 200 pref medium
`
	if got := b.listing(t); !strings.HasPrefix(got, routes) ||
		!strings.Contains(got, "21695: from 192.168.1.0/24 lookup 1414987947 proto 84\n") ||
		!strings.Contains(got, "21655: from 2001:db8:1::/64 lookup 1414987947 proto 84\n") {
		t.Errorf("the routes are\n%s", got)
	}
	b.try(t, b.outward(b.idc, true), false)
	if link := b.run(t, b.gateway, "ip link show "+device); !strings.Contains(link, "alias gateway TomVPNGw") {
		t.Errorf("no alias: %s", link)
	}
	if err := b.net.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := b.listing(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	b.try(t, b.outward(b.internet, true), false)
}

// TestDeviceVanishes: what had a route through it reaches nobody, though there is
// no guard here and a default route.
func TestDeviceVanishes(t *testing.T) {
	b := newBed(t)
	b.routed(t, want())
	b.run(t, b.gateway, "ip link delete "+device)
	b.wantUnreachable(t)
	for _, to := range []string{"10.0.1.2", "2001:db8:2::2"} {
		out, err := b.vpc.Run(t.Context(), "ping", "-c", "1", "-W", "5", to)
		if err == nil || !strings.Contains(out, "nreachable") {
			t.Errorf("ping %s: %v\n%s", to, err, out)
		}
	}

	err := b.net.SetRoutes(t.Context(), want())
	if err == nil || !strings.Contains(err.Error(), "device "+device+": ") {
		t.Errorf("the error does not name the device: %v", err)
	}
	b.wantUnreachable(t)
	if got := b.listing(t); strings.Count(got, "unreachable ") != 2 || strings.Contains(got, "unicast") {
		t.Errorf("the routes are\n%s", got)
	}

	b.idc = space(t, "idc again")
	wire(t, b.idc, "eth0", b.gateway, device, "172.16.0.1/30 10.0.1.2/32 2001:db8:e::1/64 2001:db8:2::2/128", "172.16.0.2/30 2001:db8:e::2/64")
	b.routed(t, want())
	b.try(t, b.outward(b.idc, true), false)
	b.run(t, b.gateway, "ip link set "+device+" down")
	b.wantUnreachable(t)
	if err := b.net.SetRoutes(t.Context(), want()); err == nil || !strings.Contains(err.Error(), device+" is down") {
		t.Errorf("the error does not say that the device is down: %v", err)
	}
}

// wantUnreachable asks where the gateway would send what comes from the VPC.
func (b *bed) wantUnreachable(t *testing.T) {
	t.Helper()
	for _, way := range []string{
		"ip route get 10.0.1.2 from 192.168.1.2 iif lan0",
		"ip route get 2001:db8:2::2 from 2001:db8:1::2 iif lan0",
	} {
		words := strings.Fields(way)
		out, err := b.gateway.Run(t.Context(), words[0], words[1:]...)
		if err == nil || !strings.Contains(out, "No route to host") {
			t.Errorf("%s: %s", way, out)
		}
	}
}

func TestRoutesAreRepeatable(t *testing.T) {
	b := newBed(t)
	b.routed(t, want())
	before := b.listing(t)
	updates, done := make(chan netlink.RouteUpdate, 100), make(chan struct{})
	defer close(done)
	err := b.gateway.Do(func() error { return netlink.RouteSubscribe(updates, done) })
	if err != nil {
		t.Fatal(err)
	}
	b.routed(t, want())
	b.run(t, b.gateway, "ip route add 198.51.100.0/24 via 203.0.113.1") // the last of what may come
	if u := <-updates; u.Table != 254 {
		t.Errorf("the same routes again made %v", u)
	}
	if after := b.listing(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestRoutesChange: what is wanted no more goes, what is ours and was changed is
// mended, and what is others' stays.
func TestRoutesChange(t *testing.T) {
	b := newBed(t)
	foreign := []string{
		"ip route add 198.51.100.0/24 dev lan0 table 220",
		"ip route add 10.0.1.0/24 dev lan0 metric 5000",
		"ip rule add from 10.99.0.0/16 lookup 220 priority 21695",
		"ip -6 rule add from 2001:db8:99::/48 lookup 220 priority 100",
	}
	for _, command := range foreign {
		b.run(t, b.gateway, command)
	}
	before := b.listing(t) + b.run(t, b.gateway, "ip route show table 220") + b.run(t, b.gateway, "ip route")

	old := want()
	old.Routes = append(old.Routes, Route{table, pfx("10.0.7.0/24"), device}, Route{table + 1, pfx("0.0.0.0/0"), device},
		Route{table + 1, pfx("::/0"), device})
	old.Rules = append(old.Rules, Rule{pfx("192.168.7.0/24"), table + 1}, Rule{pfx("2001:db8:1:7::/64"), table + 1})
	b.routed(t, old)
	for _, damage := range []string{
		"ip route add 10.0.1.0/24 via 203.0.113.1 metric 10 table 1414987947",
		"ip route replace 10.0.1.0/24 dev lan0 metric 100 table 1414987947",
		"ip route add blackhole 10.0.9.0/24 table 1414988000",
		"ip -6 route add 2001:db8:9::/64 dev lan0 table 1414987947",
		"ip rule add from 192.168.1.0/24 iif lan0 lookup 1414987947 priority 21695",
		"ip rule add from 192.168.1.0/24 lookup 1414987947 priority 5",
	} {
		b.run(t, b.gateway, damage)
	}
	b.routed(t, want())
	fresh := newBed(t)
	for _, command := range foreign {
		fresh.run(t, fresh.gateway, command)
	}
	fresh.routed(t, want())
	if got, clean := b.listing(t), fresh.listing(t); got != clean {
		t.Errorf("got\n%s\nwant\n%s", got, clean)
	}
	if err := b.net.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := b.listing(t) + b.run(t, b.gateway, "ip route show table 220") + b.run(t, b.gateway, "ip route")
	if after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestAnotherDevice moves a route from one gateway to another.
func TestAnotherDevice(t *testing.T) {
	b := newBed(t)
	b.routed(t, want())
	second := space(t, "second")
	wire(t, second, "eth0", b.gateway, "twin0002", "172.16.1.1/30 10.0.1.2/32 2001:db8:d::1/64 2001:db8:2::2/128", "172.16.1.2/30 2001:db8:d::2/64")
	moved := want()
	for i := range moved.Routes {
		moved.Routes[i].Device = "twin0002"
	}
	b.routed(t, moved)
	b.try(t, b.outward(second, true), false)
	if got := b.listing(t); strings.Contains(got, device) || strings.Count(got, "twin0002") != 2 {
		t.Errorf("the routes are\n%s", got)
	}
}

// TestLongestSubnetFirst: of two subnets, one inside the other, each has its own
// table.
func TestLongestSubnetFirst(t *testing.T) {
	b := newBed(t)
	w := want()
	w.Rules = append([]Rule{{pfx("192.168.0.0/16"), table + 1}, {pfx("2001:db8::/32"), table + 1}}, w.Rules...)
	w.Routes = append(w.Routes, Route{table + 1, pfx("10.0.0.0/8"), "twin0002"}, Route{table + 1, pfx("2001:db8:2::/48"), "twin0002"})
	if err := b.net.SetRoutes(t.Context(), w); err == nil || !strings.Contains(err.Error(), "twin0002") {
		t.Fatal("twin0002 is not there: ", err)
	}
	b.try(t, b.outward(b.idc, true), false)
}

func TestRoutesRefuse(t *testing.T) {
	b := newBed(t)
	before := b.listing(t)
	for _, w := range []Want{
		{Routes: []Route{{254, pfx("10.0.1.0/24"), device}}},
		{Rules: []Rule{{pfx("192.168.1.0/24"), 254}}},
		{Routes: []Route{{table, pfx("10.0.1.0/24"), device}, {table, pfx("10.0.1.0/24"), "twin0002"}}},
	} {
		if err := b.net.SetRoutes(t.Context(), w); err == nil {
			t.Errorf("%v was taken", w)
		}
	}
	if after := b.listing(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}
