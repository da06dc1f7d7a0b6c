package interop

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

// name is what the tunnel of the tests is called.
const name = "隧道 t" // names may be anything

// twinSide is a twinspand.
type twinSide struct {
	daemon *twin.Daemon
	start  string // the tunnel's negotiation
}

func startTwin(ctx context.Context, space *netns.Space) (side, error) {
	d, err := twin.New(space)
	if err != nil {
		return nil, err
	}
	s := &twinSide{d, "passive"}
	if err := d.Configure("dataplane = " + quoted(planeWord()) + "\n"); err != nil {
		return nil, err
	}
	if err := d.Start(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, d.Log())
	}
	return s, nil
}

// planeWord insists on the plane: "auto" could hide that one does not work.
func planeWord() string {
	if kernelESP() {
		return "kernel"
	}
	return "userspace"
}

func (s *twinSide) log() string { return s.daemon.Log() }

func (s *twinSide) close() error { return s.daemon.Close() }

func (s *twinSide) load(ctx context.Context, t tunnel) error {
	if err := s.daemon.Configure(configuration(t, cmp.Or(t.mine.start, s.start))); err != nil {
		return err
	}
	_, err := s.daemon.Reload(ctx)
	return err
}

func (s *twinSide) initiate(ctx context.Context, _ tunnel) error {
	_, err := s.daemon.Up(ctx, name, netns.Patience(10*time.Second))
	return err
}

func (s *twinSide) session(ctx context.Context) (session, error) {
	t, err := s.daemon.Tunnel(ctx, name)
	if err != nil {
		return session{}, err
	}
	if t.Session == nil {
		return session{}, fmt.Errorf("twinspan has no ISAKMP SA: tunnel is %s, fault %v", t.State, t.Fault)
	}
	return session{t.Session.Proposal, t.Session.Initiator}, nil
}

func (s *twinSide) children(ctx context.Context) ([]child, error) {
	t, err := s.daemon.Tunnel(ctx, name)
	if err != nil {
		return nil, err
	}
	var all []child
	for _, p := range t.Pairs {
		if !p.Up {
			continue
		}
		c, err := readPair(p, t.Traffic)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return sorted(all), nil
}

// readPair takes a pair of the status. Packets are counted for the tunnel, not
// for its pairs.
func readPair(p api.Pair, all api.Traffic) (c child, err error) {
	if c.pair.local, err = netip.ParsePrefix(p.Local); err != nil {
		return c, err
	}
	if c.pair.remote, err = netip.ParsePrefix(p.Remote); err != nil {
		return c, err
	}
	if p.Child == nil {
		return c, fmt.Errorf("pair %s <-> %s is up without SAs", p.Local, p.Remote)
	}
	if c.spiIn, err = readSPI(p.Child.SPIIn); err != nil {
		return c, err
	}
	c.spiOut, err = readSPI(p.Child.SPIOut)
	c.proposal, c.encap = p.Child.Suite, p.Child.Encapsulation
	c.packetsIn, c.packetsOut = all.PacketsIn, all.PacketsOut
	return c, err
}

func readSPI(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 0, 32)
	return uint32(n), err
}

// configuration is the file of a gateway with one tunnel.
func configuration(t tunnel, start string) string {
	var b strings.Builder
	local, remote := networks(t.pairs)
	fmt.Fprintf(&b, "dataplane = %s\n\n[vpc.V]\nregion = \"Guangzhou\"\ncidr = %s\n", quoted(planeWord()), list(local))
	for i, p := range local {
		fmt.Fprintf(&b, "[vpc.V.subnet.S%d]\ncidr = %s\nroute_table = \"main\"\n", i, quoted(p.String()))
	}
	fmt.Fprintf(&b, "\n[vpn_gateway.G]\nvpc = \"V\"\npublic_ip = %s\nbandwidth_mbps = 100\n", quoted(t.local.own.String()))
	fmt.Fprintf(&b, "\n[customer_gateway.C]\npublic_ip = %s\n", quoted(peerAddress(t)))
	fmt.Fprintf(&b, "\n[vpn_tunnel.%s]\nvpn_gateway = \"G\"\ncustomer_gateway = \"C\"\n", quoted(name))
	fmt.Fprintf(&b, "pre_shared_key = %s\nnegotiation = %s\n", keys(t), quoted(start))
	for _, p := range local {
		fmt.Fprintf(&b, "[[vpn_tunnel.%s.spd]]\nlocal = %s\npeer = %s\n", quoted(name), quoted(p.String()), list(peersOf(t.pairs, p)))
	}
	fmt.Fprintf(&b, "[vpn_tunnel.%s.ike]\nmode = %s\nencryption = %s\nintegrity = %s\ndh_group = %s\n%s%s", quoted(name), quoted(mode(t.aggressive)),
		quoted(cipherOf(t.ike)), quoted(hashOf(t.ike)), quoted(groupOf(t.ike)), identity("local", t.localID, t.local), identity("remote", t.remoteID, t.remote))
	fmt.Fprintf(&b, "[vpn_tunnel.%s.ipsec]\nencryption = %s\nintegrity = %s\npfs = %s\n", quoted(name),
		quoted(cipherOf(t.esp)), quoted(hashOf(t.esp)), quoted(groupOf(t.esp)))
	if t.mine.delay != 0 {
		fmt.Fprintf(&b, "[vpn_tunnel.%s.dpd]\ndelay_seconds = %d\ntimeout_seconds = %d\n", quoted(name), t.mine.delay, t.mine.timeout)
	}
	b.WriteString("\n[route_table.main]\nvpc = \"V\"\n")
	for _, p := range remote {
		fmt.Fprintf(&b, "[[route_table.main.route]]\ndestination = %s\nnext_hop_type = \"vpn_gateway\"\nnext_hop = \"G\"\n", quoted(p.String()))
	}
	return b.String()
}

// keys are the pre-shared keys: the one, or two while one is being replaced.
func keys(t tunnel) string {
	if t.oldKey == "" {
		return quoted(t.key)
	}
	return "[" + quoted(t.key) + ", " + quoted(t.oldKey) + "]"
}

func peerAddress(t tunnel) string {
	if t.anywhere {
		return "any"
	}
	return t.remote.seen.String()
}

func mode(aggressive bool) string {
	if aggressive {
		return "AGGRESSIVE"
	}
	return "MAIN"
}

// identity is the configuration's lines for a domain name, or for the address
// when a translator hides it, or none.
func identity(whose, fqdn string, e end) string {
	if fqdn == "" && e.own == e.seen {
		return ""
	}
	if fqdn == "" {
		return fmt.Sprintf("%s_identity = \"ADDRESS\"\n%s_address = %s\n", whose, whose, quoted(e.own.String()))
	}
	return fmt.Sprintf("%s_identity = \"FQDN\"\n%s_fqdn = %s\n", whose, whose, quoted(fqdn))
}

// networks are the local and the remote networks of the pairs, each once.
func networks(pairs []pair) (local, remote []netip.Prefix) {
	seen := map[netip.Prefix]bool{}
	for _, p := range pairs {
		if !seen[p.local] {
			local, seen[p.local] = append(local, p.local), true
		}
		if !seen[p.remote] {
			remote, seen[p.remote] = append(remote, p.remote), true
		}
	}
	return local, remote
}

// peersOf are the remote networks that a local one has.
func peersOf(pairs []pair, local netip.Prefix) (peers []netip.Prefix) {
	for _, p := range pairs {
		if p.local == local {
			peers = append(peers, p.remote)
		}
	}
	return peers
}

func list(networks []netip.Prefix) string {
	words := make([]string, len(networks))
	for i, p := range networks {
		words[i] = quoted(p.String())
	}
	return "[" + strings.Join(words, ", ") + "]"
}
