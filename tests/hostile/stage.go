package hostile

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

// The addresses of the stage beside those of the Quick Start: of a peer that
// connects while the flood goes on; of the attacker that has a key, with and
// without PFS and in aggressive mode, from other ports for each case; of the fence; and of strangers,
// some of them each case's own.
var (
	lateHost    = netip.MustParsePrefix("198.51.100.2/24")
	lateRouter  = netip.MustParsePrefix("198.51.100.1/24")
	attacker    = netip.MustParseAddr("198.18.255.1")
	attackerPFS = netip.MustParseAddr("198.18.255.2")
	attackerAM  = netip.MustParseAddr("198.18.255.4")
	fencePost   = netip.MustParseAddr("198.18.255.3")
	ofCases     = netip.MustParsePrefix("198.18.0.0/16")
	strangers   = netip.MustParsePrefix("198.19.0.0/16")
)

// firstPort is where the attacker's ports begin: two for each case, to the
// victim's ports 500 and 4500.
const firstPort = 20000

// stage is the victim with its good peers, and the attacker on the path between
// them.
type stage struct {
	bed                *netns.Bed
	lateSpace          *netns.Space
	victim, good, late *twin.Daemon
	wire               *wire
	fences             *forger
	pid                int
}

// tunnelTo is one tunnel of the victim's, or of its peers'.
type tunnelTo struct {
	name, key, pfs string
	mode           string
	peer           netip.Addr
	own, theirs    netip.Prefix
}

// mirror is the tunnel as the peer has it.
func (t tunnelTo) mirror(victim netip.Addr) tunnelTo {
	t.peer, t.own, t.theirs = victim, t.theirs, t.own
	return t
}

// tunnels are the victim's.
func tunnels(sites netns.Sites) []tunnelTo {
	to := func(name, pfs string, peer netip.Addr, own, theirs string) tunnelTo {
		return tunnelTo{name, "key of " + name, pfs, "MAIN", peer, netip.MustParsePrefix(own), netip.MustParsePrefix(theirs)}
	}
	good := to("good", "DH-GROUP14", sites.IDC.Public.Addr(), "192.168.1.0/24", "10.0.1.0/24")
	good.own, good.theirs = sites.VPC.Networks()[0], sites.IDC.Networks()[0]
	hasty := to("attackerAM", "disable", attackerAM, "172.16.5.0/24", "10.66.5.0/24")
	hasty.mode = "AGGRESSIVE"
	return []tunnelTo{
		good,
		to("late", "DH-GROUP14", lateHost.Addr(), "172.16.1.0/24", "10.66.1.0/24"),
		to("fence", "disable", fencePost, "172.16.2.0/24", "10.66.2.0/24"),
		to("attacker", "disable", attacker, "172.16.3.0/24", "10.66.3.0/24"),
		to("attackerPFS", "DH-GROUP14", attackerPFS, "172.16.4.0/24", "10.66.4.0/24"),
		hasty,
	}
}

// configuration is the file of a gateway.
func configuration(public netip.Addr, tunnels ...tunnelTo) string {
	var b, own, theirs strings.Builder
	b.WriteString("dataplane = \"userspace\"\n")
	fmt.Fprintf(&b, "[vpn_gateway.G]\nvpc = \"V\"\npublic_ip = %q\nbandwidth_mbps = 100\n", public)
	for _, t := range tunnels {
		fmt.Fprintf(&b, "[vpc.V.subnet.%s]\ncidr = %q\nroute_table = \"main\"\n", t.name, t.own)
		fmt.Fprintf(&b, "[customer_gateway.%s]\npublic_ip = %q\n", t.name, t.peer)
		fmt.Fprintf(&b, "[vpn_tunnel.%s]\nvpn_gateway = \"G\"\ncustomer_gateway = %q\npre_shared_key = %q\nnegotiation = \"passive\"\n", t.name, t.name, t.key)
		fmt.Fprintf(&b, "[[vpn_tunnel.%s.spd]]\nlocal = %q\npeer = %q\n", t.name, t.own, t.theirs)
		fmt.Fprintf(&b, "[vpn_tunnel.%s.ike]\nencryption = \"AES-CBC-128\"\nintegrity = \"SHA1\"\ndh_group = \"GROUP14\"\nmode = %q\n", t.name, t.mode)
		fmt.Fprintf(&b, "[vpn_tunnel.%s.ipsec]\nencryption = \"AES-CBC-128\"\nintegrity = \"SHA1\"\npfs = %q\n", t.name, t.pfs)
		fmt.Fprintf(&own, "%q, ", t.own)
		fmt.Fprintf(&theirs, "[[route_table.main.route]]\ndestination = %q\nnext_hop_type = \"vpn_gateway\"\nnext_hop = \"G\"\n", t.theirs)
	}
	fmt.Fprintf(&b, "[vpc.V]\ncidr = [%s]\n[route_table.main]\nvpc = \"V\"\n%s", own.String(), theirs.String())
	return b.String()
}

// open builds the stage.
func open(ctx context.Context) (*stage, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	bed, err := netns.Build(netns.QuickStart())
	if err != nil {
		return nil, err
	}
	s := &stage{bed: bed}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) build(ctx context.Context) error {
	if err := s.network(ctx); err != nil {
		return err
	}
	if err := s.daemons(ctx); err != nil {
		return err
	}
	var err error
	if s.wire, err = openWire(s.bed.Internet, netns.ToVPC); err != nil {
		return err
	}
	s.fences = newForger(s.wire, seeded(0, "fence"), netip.AddrPortFrom(fencePost, portIKE), s.port(portIKE), "key of fence")
	return s.connect(ctx)
}

// network wires the late peer, lets datagrams of any size reach the victim, and
// lets what it sends to nobody go without a word.
func (s *stage) network(ctx context.Context) error {
	var err error
	if s.lateSpace, err = netns.New("late"); err != nil {
		return err
	}
	err = netns.Wire(
		netns.End{Space: s.lateSpace, Device: netns.Outside, Addresses: []netip.Prefix{lateHost}},
		netns.End{Space: s.bed.Internet, Device: "late", Addresses: []netip.Prefix{lateRouter}})
	if err != nil {
		return err
	}
	for _, nobody := range []netip.Prefix{ofCases, strangers} {
		if _, err := s.bed.Internet.Run(ctx, "ip", "route", "add", "blackhole", nobody.String()); err != nil {
			return err
		}
	}
	return errors.Join(
		s.lateSpace.DefaultRoute(lateRouter.Addr()),
		s.bed.Internet.SetMTU(netns.ToVPC, 65535), s.bed.Gateway.SetMTU(netns.Outside, 65535))
}

// daemons starts the victim and its peers.
func (s *stage) daemons(ctx context.Context) error {
	victim, all := s.bed.Sites.VPC.Public.Addr(), tunnels(s.bed.Sites)
	for _, d := range []struct {
		daemon **twin.Daemon
		space  *netns.Space
		text   string
	}{
		{&s.victim, s.bed.Gateway, configuration(victim, all...)},
		{&s.good, s.bed.Customer, configuration(all[0].peer, all[0].mirror(victim))},
		{&s.late, s.lateSpace, configuration(all[1].peer, all[1].mirror(victim))},
	} {
		var err error
		if *d.daemon, err = twin.New(d.space); err != nil {
			return err
		}
		if err := (*d.daemon).Configure(d.text); err != nil {
			return err
		}
		if err := (*d.daemon).Start(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, (*d.daemon).Log())
		}
	}
	s.pid = s.victim.PID()
	return nil
}

// connect brings the good tunnel up. The others connect once too: what a
// daemon does for the first time needs more memory than ever after.
func (s *stage) connect(ctx context.Context) error {
	if _, err := s.good.Up(ctx, "good", 5*time.Second); err != nil {
		return err
	}
	if _, err := s.lateConnects(ctx); err != nil {
		return err
	}
	if err := s.fences.connect(); err != nil {
		return err
	}
	return s.goodPasses(ctx)
}

// lateConnects has the late peer connect and go again. It tells how long it
// took.
func (s *stage) lateConnects(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	_, err := s.late.Up(ctx, "late", 10*time.Second)
	took := time.Since(begun)
	_, down := s.late.Down(ctx, "late")
	return took, errors.Join(err, down)
}

// goodPasses sends through the good tunnel, and back.
func (s *stage) goodPasses(ctx context.Context) error {
	_, err := s.bed.VPC.Ping(ctx, netns.Ping{
		From: s.bed.Sites.VPC.Hosts[0].Addr(), To: s.bed.Sites.IDC.Hosts[0].Addr(), Count: 3, Timeout: 3 * time.Second,
	})
	return err
}

// goodIs names the SAs of the good tunnel, as the victim and as the peer has
// them: they must stay the same.
func (s *stage) goodIs(ctx context.Context) (string, error) {
	var text string
	for _, d := range []*twin.Daemon{s.victim, s.good} {
		t, err := d.Tunnel(ctx, "good")
		if err != nil {
			return "", err
		}
		if t.Session == nil || len(t.Pairs) != 1 || t.Pairs[0].Child == nil {
			return "", fmt.Errorf("the good tunnel is %s, %v", t.State, t.Fault)
		}
		text += fmt.Sprintf("%s, in %s, out %s\n", t.Session.Cookies, t.Pairs[0].Child.SPIIn, t.Pairs[0].Child.SPIOut)
	}
	return text, nil
}

// port is one of the victim's.
func (s *stage) port(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(s.bed.Sites.VPC.Public.Addr(), port)
}

// alive is an error once the victim has ended.
func (s *stage) alive() error {
	if now := s.victim.PID(); now != s.pid {
		return fmt.Errorf("the victim was process %d, and is %d", s.pid, now)
	}
	_, err := s.memory("VmRSS")
	return err
}

// memory reads a size of the victim's out of /proc, in bytes.
func (s *stage) memory(name string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return 0, fmt.Errorf("the victim: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s", s.pid, name)
}

// forgetPeak makes VmHWM begin anew.
func (s *stage) forgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0)
}

// fence waits until the victim has taken all that was sent before: it answers a
// first message of a peer of its own.
func (s *stage) fence() error {
	var err error
	for range 40 {
		s.fences.reset()
		if _, err = s.fences.ask(s.fences.first(), 250*time.Millisecond, s.fences.isSecond); !errors.Is(err, errSilence) {
			return err
		}
	}
	return err
}

// settle waits until the victim has nothing more to say.
func (s *stage) settle(ctx context.Context) error {
	if err := s.fence(); err != nil {
		return err
	}
	everything := func(a netip.AddrPort) bool { return a.Addr() != s.bed.Sites.IDC.Public.Addr() }
	before := s.wire.sum(everything)
	return netns.Until(ctx, func() error {
		status, err := s.victim.Status(ctx)
		now := s.wire.sum(everything)
		switch {
		case err != nil:
			return err
		case status.Counters["computations_waiting"] > 0:
			return errors.New("the victim computes")
		case now != before:
			before = now
			return errors.New("the victim still answers")
		}
		return nil
	})
}

// close ends everything.
func (s *stage) close() error {
	var err error
	if s.wire != nil {
		err = s.wire.close()
	}
	for _, d := range []*twin.Daemon{s.late, s.good, s.victim} {
		if d != nil {
			err = errors.Join(err, d.Close())
		}
	}
	if s.lateSpace != nil {
		err = errors.Join(err, s.lateSpace.Close())
	}
	return errors.Join(err, s.bed.Close())
}
