package interop

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
	"github.com/twinspan/twinspan/tests/twin"
)

// begins is which end begins.
type begins string

const (
	weBegin   begins = "we"
	theyBegin begins = "they"
	bothBegin begins = "both" // we in vain, then they, then we again
)

// misfit is one thing that an administrator got wrong: at the strongSwan, in our
// file, or in the network between.
type misfit struct {
	name      string
	begins    begins
	theirs    func(c *swan.Conn)
	ours      []setting
	cause     string
	parameter string
}

// setting is a line of one of the tunnel's tables in our file.
type setting struct{ table, key, value string }

// misfits are what `twinspan why` must name exactly. What only the strongSwan
// knows, because it refuses without a word, is known once it has begun itself.
var misfits = []misfit{
	{name: "key", begins: theyBegin, theirs: func(c *swan.Conn) { c.Key = "something else" }, cause: "authentication", parameter: "pre_shared_key"},
	{name: "key", begins: weBegin, theirs: func(c *swan.Conn) { c.Key = "something else" }, cause: "authentication", parameter: "pre_shared_key"},
	{name: "cipher of phase 1", begins: theyBegin, theirs: ikeOf("aes256-sha1-group14"), cause: "proposal", parameter: "ike.encryption"},
	{name: "cipher of phase 1", begins: bothBegin, theirs: ikeOf("aes256-sha1-group14"), cause: "proposal", parameter: "ike.encryption"},
	{name: "hash of phase 1", begins: theyBegin, theirs: ikeOf("aes128-md5-group14"), cause: "proposal", parameter: "ike.integrity"},
	{name: "hash of phase 1", begins: bothBegin, theirs: ikeOf("aes128-md5-group14"), cause: "proposal", parameter: "ike.integrity"},
	{name: "group of phase 1", begins: theyBegin, theirs: ikeOf("aes128-sha1-group5"), cause: "proposal", parameter: "ike.dh_group"},
	{name: "group of phase 1", begins: bothBegin, theirs: ikeOf("aes128-sha1-group5"), cause: "proposal", parameter: "ike.dh_group"},
	{name: "aggressive mode, ours is main", begins: theyBegin, theirs: func(c *swan.Conn) { c.Aggressive = true }, cause: "mode", parameter: "ike.mode"},
	{name: "main mode, ours is aggressive", begins: theyBegin, ours: []setting{{".ike", "mode", "AGGRESSIVE"}}, cause: "mode", parameter: "ike.mode"},
	{name: "main mode, ours is aggressive", begins: bothBegin, ours: []setting{{".ike", "mode", "AGGRESSIVE"}}, cause: "mode", parameter: "ike.mode"},
	{name: "key, in aggressive mode", begins: theyBegin, theirs: func(c *swan.Conn) { c.Key, c.Aggressive = "something else", true },
		ours: []setting{{".ike", "mode", "AGGRESSIVE"}}, cause: "authentication", parameter: "pre_shared_key"},
	{name: "key, in aggressive mode", begins: weBegin, theirs: func(c *swan.Conn) { c.Key, c.Aggressive = "something else", true },
		ours: []setting{{".ike", "mode", "AGGRESSIVE"}}, cause: "authentication", parameter: "pre_shared_key"},
	{name: "their identity is another kind", begins: theyBegin, theirs: func(c *swan.Conn) { c.LocalID = "idc.example.com" }, cause: "identity", parameter: "ike.remote_identity"},
	{name: "their identity is another kind", begins: weBegin, theirs: func(c *swan.Conn) { c.LocalID = "idc.example.com" }, cause: "identity", parameter: "ike.remote_identity"},
	{name: "their identity is another name", begins: theyBegin, theirs: func(c *swan.Conn) { c.LocalID = "idc.example.com" },
		ours: []setting{{".ike", "remote_identity", "FQDN"}, {".ike", "remote_fqdn", "another.example.com"}}, cause: "identity", parameter: "ike.remote_fqdn"},
	{name: "our identity", begins: weBegin, theirs: func(c *swan.Conn) { c.RemoteID = "vpc.example.com" }, cause: "identity", parameter: "ike.local_address"},
	{name: "our identity", begins: theyBegin, theirs: func(c *swan.Conn) { c.RemoteID = "vpc.example.com" }, cause: "identity", parameter: "ike.local_address"},
	{name: "our network", begins: theyBegin, theirs: func(c *swan.Conn) { c.Children[0].Remote = otherNetwork }, cause: "selectors", parameter: "spd.local"},
	{name: "our network", begins: bothBegin, theirs: func(c *swan.Conn) { c.Children[0].Remote = otherNetwork }, cause: "selectors", parameter: "spd.local"},
	{name: "their network", begins: theyBegin, theirs: func(c *swan.Conn) { c.Children[0].Local = otherNetwork }, cause: "selectors", parameter: "spd.peer"},
	{name: "PFS, theirs only", begins: theyBegin, ours: []setting{{".ipsec", "pfs", "disable"}}, cause: "pfs", parameter: "ipsec.pfs"},
	{name: "PFS, ours only", begins: theyBegin, theirs: espOf("aes128-sha1"), cause: "pfs", parameter: "ipsec.pfs"},
	{name: "PFS, ours only", begins: bothBegin, theirs: espOf("aes128-sha1"), cause: "pfs", parameter: "ipsec.pfs"},
	{name: "group of PFS", begins: theyBegin, theirs: espOf("aes128-sha1-group5"), cause: "pfs", parameter: "ipsec.pfs"},
	{name: "cipher of ESP", begins: theyBegin, theirs: espOf("3des-sha1-group14"), cause: "proposal", parameter: "ipsec.encryption"},
	{name: "hash of ESP", begins: theyBegin, theirs: espOf("aes128-md5-group14"), cause: "proposal", parameter: "ipsec.integrity"},
	{name: "hash of ESP", begins: bothBegin, theirs: espOf("aes128-md5-group14"), cause: "proposal", parameter: "ipsec.integrity"},
	{name: "IKEv2 only", begins: theyBegin, theirs: func(c *swan.Conn) { c.IKEv2 = true }, cause: "version", parameter: "ike.version"},
	{name: "IKEv2 only", begins: bothBegin, theirs: func(c *swan.Conn) { c.IKEv2 = true }, cause: "version", parameter: "ike.version"},
}

// otherNetwork is one that no end of the misfits has.
var otherNetwork = netip.MustParsePrefix("172.16.5.0/24")

func ikeOf(proposal string) func(*swan.Conn) { return func(c *swan.Conn) { c.IKE = proposal } }
func espOf(proposal string) func(*swan.Conn) {
	return func(c *swan.Conn) { c.Children[0].ESP = proposal }
}

// couple is a twinspand and a strongSwan that are to be misfits.
type couple struct {
	bed    *netns.Bed
	ours   *twin.Daemon
	theirs *swan.Charon
}

func newCouple(t *testing.T) *couple {
	t.Helper()
	b := netns.ForTest(t, netns.QuickStart())
	ours, theirs := open(t, b.Gateway, startTwin), open(t, b.Customer, startSwan)
	return &couple{b, ours.(*twinSide).daemon, theirs.(*swanSide).charon}
}

// file is our configuration. The key is new for each misfit, so that the tunnel is.
func (c *couple) file(m misfit, key string) string {
	text := configuration(tunnelOfKey(c.bed.Sites, key), "passive")
	text = strings.ReplaceAll(text, "[vpn_tunnel."+quoted(name), "[vpn_tunnel.t")
	text = strings.ReplaceAll(text, "[[vpn_tunnel."+quoted(name), "[[vpn_tunnel.t")
	for _, s := range m.ours {
		text = s.in(text)
	}
	return text
}

// in writes a setting in place of the one that a file has.
func (s setting) in(file string) string {
	header := "[vpn_tunnel.t" + s.table + "]\n"
	before, after, _ := strings.Cut(file, header)
	lines, rest, _ := strings.Cut(after, "[")
	var b strings.Builder
	b.WriteString(before + header + s.key + " = " + quoted(s.value) + "\n")
	for line := range strings.Lines(lines) {
		if !strings.HasPrefix(line, s.key+" =") {
			b.WriteString(line)
		}
	}
	return b.String() + "[" + rest
}

func tunnelOfKey(s netns.Sites, key string) tunnel {
	t := between(s)
	t.key = key
	return t
}

// conn is what the strongSwan has.
func (c *couple) conn(m misfit, key string) swan.Conn {
	t := tunnelOfKey(c.bed.Sites, key).mirror()
	conn := swan.Conn{
		Name: "t", Local: t.local.own, Remote: t.remote.own, Key: key, IKE: t.ike,
		Children: []swan.Child{{Name: "c", Local: t.pairs[0].local, Remote: t.pairs[0].remote, ESP: t.esp}},
	}
	if m.theirs != nil {
		m.theirs(&conn)
	}
	return conn
}

// induce loads a misfit and lets it happen.
func (c *couple) induce(ctx context.Context, t *testing.T, m misfit) {
	t.Helper()
	key := "key of " + t.Name()
	if err := c.theirs.Load(ctx, c.conn(m, key)); err != nil {
		t.Fatal(err)
	}
	if err := c.ours.Configure(c.file(m, key)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ours.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	if m.begins != theyBegin {
		if _, err := c.ours.Command(ctx, "up", "t"); err != nil {
			t.Fatal(err)
		}
	}
	if m.begins == bothBegin {
		c.explained(ctx, t, m.cause, "")
	}
	if m.begins != weBegin {
		short, cancel := context.WithTimeout(ctx, netns.Patience(500*time.Millisecond))
		defer cancel()
		if err := c.theirs.Initiate(short, "c"); err == nil && m.cause != "identity" {
			t.Error("the tunnel is said to be up")
		}
	}
}

// explained waits until why tells of a cause, and of a parameter if one is named.
func (c *couple) explained(ctx context.Context, t *testing.T, cause, parameter string) (w api.Why) {
	t.Helper()
	err := netns.Until(ctx, func() (err error) {
		if w, err = c.ours.Why(ctx, "t"); err != nil {
			return err
		}
		if w.Fault == nil || parameter != "" && (w.Fault.Cause != cause || w.Fault.Parameter != parameter) {
			return fmt.Errorf("it tells of %+v", w.Fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// needThisMachine skips in the virtual machine: why a negotiation fails does not
// depend on who does ESP, and is told natively.
func needThisMachine(t *testing.T) {
	t.Helper()
	if netns.InVM() {
		t.Skip("it is IKE alone, and is told outside of the virtual machine")
	}
}

// why names the exact parameter in each of the misfits, with what to change, and
// never a key.
func TestWhyNamesTheParameter(t *testing.T) {
	needThisMachine(t)
	needStrongSwan(t)
	c := newCouple(t)
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, m := range misfits {
		t.Run(m.name+"/"+string(m.begins)+" begin", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(20*time.Second))
			defer cancel()
			c.induce(ctx, t, m)
			c.wantExplained(t, c.explained(ctx, t, m.cause, m.parameter))
			fmt.Fprintf(out, "%s\t%s begin\t%s\t%s\n", m.name, m.begins, m.cause, m.parameter)
		})
	}
	out.Flush()
	t.Logf("what was wrong, who began, the cause and the parameter that why names:\n%s", table.String())
}

// wantExplained checks what every explanation has.
func (c *couple) wantExplained(t *testing.T, w api.Why) {
	t.Helper()
	f := w.Fault
	if f.Advice == "" && f.PeerAdvice == "" {
		t.Errorf("nothing is advised: %+v", f)
	}
	if len(w.Negotiations) > 0 && w.Negotiations[0].Result != api.ResultFailed || len(w.Negotiations) == 0 && w.State != "negotiating" {
		t.Errorf("the negotiations are %+v", w.Negotiations)
	}
	text := fmt.Sprintf("%+v", w)
	for _, key := range []string{"something else", "key of "} {
		if strings.Contains(text, key) {
			t.Errorf("why tells the key: %s", text)
		}
	}
}

// What does not pass the network is told by how far phase 1 came.
func TestWhyNamesThePort(t *testing.T) {
	needThisMachine(t)
	needStrongSwan(t)
	for _, m := range []struct {
		name      string
		prevent   func(ctx context.Context, c *couple) error
		ours      []setting
		parameter string
	}{
		{"UDP 500 is blocked", func(ctx context.Context, c *couple) error { return block(ctx, c.bed.Customer, "500") }, nil, "udp.500"},
		{"UDP 4500 is blocked", func(ctx context.Context, c *couple) error { return block(ctx, c.bed.Customer, "4500") },
			[]setting{{"", "nat_t", "force"}}, "udp.4500"},
		{"the peer does not run", func(_ context.Context, c *couple) error { c.theirs.Kill(); return nil }, nil, "udp.500"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel() // each waits for a minute
			c := newCouple(t)
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+netns.Patience(10*time.Second))
			defer cancel()
			fit := misfit{begins: weBegin, ours: m.ours, cause: "timeout"}
			key := "key of " + t.Name()
			if err := c.theirs.Load(ctx, c.conn(fit, key)); err != nil {
				t.Fatal(err)
			}
			if err := m.prevent(ctx, c); err != nil {
				t.Fatal(err)
			}
			if err := c.ours.Configure(c.file(fit, key)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ours.Reload(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ours.Command(ctx, "up", "t"); err != nil {
				t.Fatal(err)
			}
			c.wantExplained(t, c.explained(ctx, t, fit.cause, m.parameter))
			t.Logf("%s: %s", m.name, m.parameter)
		})
	}
}

// block drops what comes to a UDP port of a gateway.
func block(ctx context.Context, space *netns.Space, port string) error {
	_, err := space.Run(ctx, "nft", "table inet block { chain in { type filter hook input priority 0; udp dport "+port+" drop; }; }")
	return err
}
