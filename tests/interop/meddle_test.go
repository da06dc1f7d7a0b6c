package interop

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// meddling is what another program, or an administrator, does to the gateway's
// network while a tunnel stands.
type meddling struct {
	name string
	do   string // commands, one per line
	bare bool   // for a moment neither the guard nor the routes stand
}

var meddlings = []meddling{
	{name: "all rulesets", do: "nft flush ruleset"},
	{name: "a chain of the guard", do: "nft flush chain inet twinspan forward"},
	{name: "the guard's pairs", do: "nft flush set inet twinspan pairs4"},
	{name: "the guard asleep", do: "nft add table inet twinspan { flags dormant ; }"},
	{name: "routes", do: "ip route flush table TABLE"},
	{name: "a route of another's", do: "ip route replace 10.0.1.0/24 via 203.195.147.1 table TABLE metric 1"},
	{name: "rules", do: "ip rule del table TABLE"},
	{name: "the device", do: "ip link del DEVICE"},
	{name: "the device down", do: "ip link set DEVICE down"},
	{name: "rules, then the guard", do: "ip rule del table TABLE\nnft flush ruleset", bare: true},
	{name: "all", do: "ip link del DEVICE\nip route flush table TABLE\nip rule del table TABLE\nnft flush ruleset", bare: true},
}

// healTime is how long it may take until what others took away stands again.
const healTime = 3 * time.Second

// What others take off the host comes back at once, the tunnel goes on, and as
// long as they leave the guard or the routes nothing shows in clear meanwhile.
func TestMeddlingHeals(t *testing.T) {
	m, s := established(t, startTwin)
	ours, want := m.names(t.Context(), t), m.standing(t.Context(), t)
	for _, by := range meddlings {
		t.Run(by.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
			defer cancel()
			if !by.bare {
				m.watch(t)
			}
			m.meddle(ctx, t, ours.Replace(by.do))
			m.heals(ctx, t, want)
			m.watch(t)
			m.agree(ctx, t, s)
			m.answered(ctx, t)
		})
	}
}

func (m *meeting) meddle(ctx context.Context, t *testing.T, commands string) {
	t.Helper()
	for command := range strings.Lines(commands) {
		words := strings.Fields(command)
		if _, err := m.bed.Gateway.Run(ctx, words[0], words[1:]...); err != nil {
			t.Fatal(err)
		}
	}
}

// heals waits, with traffic all the time, until all stands as it should.
func (m *meeting) heals(ctx context.Context, t *testing.T, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(healTime))
	defer cancel()
	err := netns.Until(ctx, func() error {
		lost := m.ping(ctx)
		if now := m.standing(ctx, t); now != want {
			return fmt.Errorf("there is\n%s\ninstead of\n%s", now, want)
		}
		return lost
	})
	if err != nil {
		t.Fatal(err)
	}
}

// names puts in what DEVICE and TABLE are called on the gateway.
func (m *meeting) names(ctx context.Context, t *testing.T) *strings.Replacer {
	t.Helper()
	s, err := m.ours.(*twinSide).daemon.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := m.bed.Gateway.Run(ctx, "ip", "rule")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`lookup (\d+) proto 84`).FindStringSubmatch(rules)
	if rule == nil {
		t.Fatalf("no rule of ours:\n%s", rules)
	}
	return strings.NewReplacer("DEVICE", s.Gateways[0].Device, "TABLE", rule[1])
}

// standing is the guard, the routes, the rules and the device of the gateway as
// text, without what counts or is numbered.
func (m *meeting) standing(ctx context.Context, t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, command := range []string{
		"nft -s list table inet twinspan", "ip rule", "ip -6 rule", "ip route show table all proto 84", "ip -6 route show table all proto 84", "ip -br link",
	} {
		words := strings.Fields(command)
		out, err := m.bed.Gateway.Run(ctx, words[0], words[1:]...)
		if err != nil {
			out = err.Error()
		}
		for line := range strings.Lines(out) {
			if command != "ip -br link" || strings.HasPrefix(line, "twin") {
				fmt.Fprintln(&b, strings.TrimSpace(line))
			}
		}
	}
	return b.String()
}
