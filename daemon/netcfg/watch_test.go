package netcfg

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// The watch tells of what happens to ours, and of nothing else: each mark that
// is ours comes after much that is not.
func TestWatchTellsOfOurs(t *testing.T) {
	b := newBed(t)
	b.guard(t, guards())
	if err := b.net.SetRoutes(t.Context(), want()); err != nil {
		t.Fatal(err)
	}
	changed, err := b.net.Watch()
	if err != nil {
		t.Fatal(err)
	}
	for _, ours := range []string{
		"nft flush set inet twinspan pairs4",
		"nft flush chain inet twinspan forward",
		"nft flush ruleset",
		"ip route flush table TABLE",
		"ip -6 route flush table TABLE",
		"ip rule del table TABLE",
		"ip -6 rule del table TABLE",
		"ip link set " + device + " down",
		"ip link del " + device,
	} {
		for _, other := range []string{
			"nft add table inet other", "nft add chain inet other twinspan", "nft delete table inet other",
			"ip route add 172.31.0.0/16 via 203.0.113.1", "ip route del 172.31.0.0/16",
			"ip rule add from 172.31.0.0/16 table 77", "ip rule del table 77",
			"ip link set wan0 mtu 1400", "ip link set wan0 mtu 1500",
		} {
			b.run(t, b.gateway, other)
		}
		if told(changed, quiet()) {
			t.Errorf("told of others' before %q", ours)
		}
		b.run(t, b.gateway, named(ours))
		if !told(changed, netns.Patience(patience)) {
			t.Errorf("not told of %q", ours)
		}
		for told(changed, quiet()) { // several messages may be of one change
		}
	}
}

// named puts in the number of the bed's table.
func named(command string) string {
	return strings.ReplaceAll(command, "TABLE", strconv.Itoa(int(table)))
}

// quiet is how long nothing must be told before it counts as nothing.
func quiet() time.Duration { return netns.Patience(50 * time.Millisecond) }

func told(changed <-chan struct{}, within time.Duration) bool {
	select {
	case <-changed:
		return true
	case <-time.After(within):
		return false
	}
}

// What is set again is noted once, and the same again is no news to anybody.
func TestNotesTellOfMeddling(t *testing.T) {
	b := newBed(t)
	again := func() []string {
		t.Helper()
		b.guard(t, guards())
		if err := b.net.SetRoutes(t.Context(), want()); err != nil {
			t.Fatal(err)
		}
		return b.net.Notes()
	}
	again()
	changed, err := b.net.Watch()
	if err != nil {
		t.Fatal(err)
	}
	if notes := again(); len(notes) != 0 || told(changed, quiet()) {
		t.Errorf("the same again: %q, or a change", notes)
	}
	for _, command := range []string{"nft delete table inet twinspan", "ip rule del table TABLE", "ip route flush table TABLE"} {
		b.run(t, b.gateway, named(command))
		if notes := again(); len(notes) != 1 {
			t.Errorf("after %q: %q", command, notes)
		}
	}
}
