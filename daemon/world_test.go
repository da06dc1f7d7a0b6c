package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/netcfg"
	"github.com/twinspan/twinspan/daemon/netio"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// ether carries datagrams between the daemons of a test.
type ether struct {
	mu   sync.Mutex
	at   map[netip.Addr]*wire
	lose func(from netip.Addr, nth int) bool // the nth of that sender, from 1
}

// wire is the sockets of one daemon.
type wire struct {
	ether   *ether
	addr    netip.Addr
	packets chan netio.Datagram
	mu      sync.Mutex
	sent    [][]byte
	raw     []string // what left port 4500 without the marker
	fail    error
	closed  bool
}

func (e *ether) plug(addr string) *wire {
	w := &wire{ether: e, addr: netip.MustParseAddr(addr), packets: make(chan netio.Datagram, 64)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at == nil {
		e.at = map[netip.Addr]*wire{}
	}
	e.at[w.addr] = w
	return w
}

func (w *wire) Send(local, remote netip.AddrPort, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	w.sent = append(w.sent, bytes.Clone(data))
	w.ether.mu.Lock()
	defer w.ether.mu.Unlock()
	if to := w.ether.at[remote.Addr()]; to != nil && (w.ether.lose == nil || !w.ether.lose(w.addr, len(w.sent))) {
		select {
		case to.packets <- netio.Datagram{Local: remote, Remote: local, Data: bytes.Clone(data)}:
		default: // a full queue drops, as a real one does
		}
	}
	return nil
}

func (w *wire) count() int { return len(w.recorded()) }

// recorded is all that was sent so far.
func (w *wire) recorded() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func (w *wire) Serve(ctx context.Context, _ func(local, remote netip.AddrPort, packet []byte)) error {
	<-ctx.Done()
	return nil
}
func (w *wire) Packets() <-chan netio.Datagram { return w.packets }
func (w *wire) SendESP(_, remote netip.AddrPort, packet []byte) error {
	w.raw = append(w.raw, fmt.Sprintf("%x to %v", packet, remote))
	return nil
}
func (w *wire) Dropped() uint64 { return 0 }
func (w *wire) Close() error    { w.closed = true; return nil }

// machine is a host of make-believe. It writes down what is asked of it.
type machine struct {
	*xfrmtest.Memory
	wire *wire

	mu      sync.Mutex // of what follows: the loop writes it, tests read it
	diary   []string
	refused map[string]error // by the diary's word
	stands  standing
	slow    time.Duration // that setting the guard takes
	fewer   error         // of setting fewer guards than there are
	meddled chan struct{}
	names   map[string][]netip.Addr // of the DNS
	asked   []string                // of the DNS
	silent  bool                    // pings get no answer
	own     []netip.Addr            // addresses
	pinged  []string
}

// standing is the network configuration that a machine was given.
type standing struct {
	guards []netcfg.Guard
	most   []netcfg.Guard // that there ever were
	routes netcfg.Want
}

// host is what stands now.
func (m *machine) host() standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stands
}

// strip takes it all away, as another program would, and tells who watches.
func (m *machine) strip() {
	m.stripUnseen()
	select {
	case m.meddled <- struct{}{}:
	default:
	}
}

// stripUnseen takes it all away, and nobody is told.
func (m *machine) stripUnseen() {
	_ = m.Memory.SetPolicies(context.Background(), nil)
	_ = m.Memory.SetLinks(context.Background(), nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stands.guards, m.stands.routes = nil, netcfg.Want{}
}

// refuse makes what the diary calls word fail with err, nil for no more.
func (m *machine) refuse(word string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[word] = err
}

func (m *machine) note(word string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.diary = append(m.diary, word)
	return m.refused[word]
}

// since forgets the diary and returns it.
func (m *machine) since() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.diary
	m.diary = nil
	return d
}

func (m *machine) Lock() (io.Closer, error) { return io.NopCloser(nil), m.note("lock") }
func (m *machine) Choose(string) (planeName, string, error) {
	return planeUserspace, "ESP is make-believe", m.note("choose")
}
func (m *machine) Network() (network, error)          { return hostNet{m}, m.note("network") }
func (m *machine) Sockets(planeName) (sockets, error) { return m.wire, m.note("sockets") }
func (m *machine) Plane(planeName, sockets) (xfrm.Backend, error) {
	return m, m.note("plane")
}
func (m *machine) SetLinks(ctx context.Context, want []xfrm.Link) error {
	return errors.Join(m.note("links"), m.Memory.SetLinks(ctx, want))
}
func (m *machine) SetPolicies(ctx context.Context, want []xfrm.Policy) error {
	return errors.Join(m.note("policies"), m.Memory.SetPolicies(ctx, want))
}

// Lookup knows names; each takes a second.
func (m *machine) Lookup(ctx context.Context, network, name string) ([]netip.Addr, error) {
	m.mu.Lock()
	m.asked = append(m.asked, network+" "+name)
	found := m.names[name]
	m.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
	}
	if found == nil {
		return nil, errors.New("no such host")
	}
	return found, nil
}

// Ping takes a millisecond, or what it may where there is no answer.
func (m *machine) Ping(_ context.Context, source, target netip.Addr, timeout time.Duration) (time.Duration, error) {
	m.mu.Lock()
	silent := m.silent
	m.pinged = append(m.pinged, fmt.Sprintf("%v from %v", target, source))
	m.mu.Unlock()
	if silent {
		time.Sleep(timeout)
		return 0, monitor.ErrNoAnswer
	}
	time.Sleep(time.Millisecond)
	return time.Millisecond, nil
}
func (m *machine) Addresses() ([]netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own, nil
}

// hostNet is the network configuration of a machine.
type hostNet struct{ *machine }

func (n hostNet) SetGuards(ctx context.Context, want []netcfg.Guard) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := n.note("guards")
	n.mu.Lock()
	slow := n.slow
	n.mu.Unlock()
	time.Sleep(slow)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(want) < len(n.stands.guards) && n.fewer != nil {
		return n.fewer
	}
	n.stands.guards = want
	if len(want) > len(n.stands.most) {
		n.stands.most = want
	}
	return err
}
func (n hostNet) SetRoutes(ctx context.Context, want netcfg.Want) error {
	if err := errors.Join(n.note("routes"), ctx.Err()); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stands.routes = want
	return nil
}
func (n hostNet) Watch() (<-chan struct{}, error) {
	n.meddled = make(chan struct{}, 1)
	return n.meddled, n.note("watch")
}
func (n hostNet) Warnings() []string          { return []string{"ip_forward is off"} }
func (n hostNet) Notes() []string             { return nil }
func (n hostNet) Clear(context.Context) error { return n.note("clear") }
func (n hostNet) Close() error                { return nil }

// side is one daemon of a test.
type side struct {
	*service
	*machine
	path string
	kept string        // the directory of what outlives it, "" for none
	log  *bytes.Buffer // read it only while the daemon sleeps or after its end
	stop func()
	end  chan error
}

// office is the part of a configuration that tests vary: its tunnels.
type office struct {
	address string
	vpc     string
	tunnels []tunnelText
}

type tunnelText struct {
	name, peer, key, local, remote, start string
	extra                                 string // more lines for its table
}

func (o office) toml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[vpc.V]\nregion = \"Guangzhou\"\ncidr = [%q]\n[vpc.V.subnet.A]\ncidr = %q\nroute_table = \"main\"\n", o.vpc, o.vpc)
	fmt.Fprintf(&b, "[vpn_gateway.G]\nvpc = \"V\"\npublic_ip = %q\nbandwidth_mbps = 10\n", o.address)
	for _, t := range o.tunnels {
		fmt.Fprintf(&b, "[customer_gateway.%q]\npublic_ip = %q\n", "at "+t.name, t.peer)
		fmt.Fprintf(&b, "[vpn_tunnel.%q]\nvpn_gateway = \"G\"\ncustomer_gateway = %q\npre_shared_key = %q\nnegotiation = %q\n%s\n",
			t.name, "at "+t.name, t.key, t.start, t.extra)
		fmt.Fprintf(&b, "[[vpn_tunnel.%q.spd]]\nlocal = %q\npeer = [%q]\n", t.name, t.local, t.remote)
	}
	b.WriteString("[route_table.main]\nvpc = \"V\"\n")
	for _, t := range o.tunnels {
		fmt.Fprintf(&b, "[[route_table.main.route]]\ndestination = %q\nnext_hop_type = \"vpn_gateway\"\nnext_hop = \"G\"\n", t.remote)
	}
	return b.String()
}

// west and east are the two ends of the spec's example.
func west() office {
	return office{"203.195.147.82", "192.168.0.0/16", []tunnelText{
		{name: "TomVPNConn", peer: "202.108.22.5", key: "123456", local: "192.168.1.0/24", remote: "10.0.1.0/24", start: "active"},
	}}
}

func east() office {
	return office{"202.108.22.5", "10.0.0.0/16", []tunnelText{
		{name: "toCloud", peer: "203.195.147.82", key: "123456", local: "10.0.1.0/24", remote: "192.168.1.0/24", start: "passive"},
	}}
}

// write puts a configuration where a daemon reads it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newSide makes a daemon that has not started.
func newSide(t *testing.T, e *ether, o office) *side {
	t.Helper()
	s := &side{
		machine: &machine{Memory: xfrmtest.NewMemory(), wire: e.plug(o.address), refused: map[string]error{}},
		path:    filepath.Join(t.TempDir(), "twinspan.toml"),
		log:     &bytes.Buffer{},
		end:     make(chan error, 1),
	}
	write(t, s.path, o.toml())
	return s
}

// start starts the daemon; the end of the test stops it.
func (s *side) start(t *testing.T) {
	t.Helper()
	p, err := load(s.path)
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(slog.New(slog.NewTextHandler(s.log, nil)))
	l.remember(s.kept)
	l.alarms = openAlarms(s.kept, l.log)
	if err := l.start(t.Context(), s.machine, p); err != nil {
		t.Fatal(err)
	}
	s.service = newService(l, s.path, "test 1")
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.end <- errors.Join(s.live(ctx, nil, nil), l.close()) }()
	t.Cleanup(cancel)
	synctest.Wait()
}

// finish stops the daemon and waits for its end.
func (s *side) finish(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.end; err != nil {
		t.Error("the daemon ended with", err)
	}
}

// status of the daemon; the state of its only, or of the named, tunnel.
func (s *side) status(t *testing.T) api.Status {
	t.Helper()
	doc, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func (s *side) tunnel(t *testing.T, name string) api.Tunnel {
	t.Helper()
	for _, tun := range s.status(t).Tunnels {
		if tun.Name == name {
			return tun
		}
	}
	t.Fatalf("no tunnel %q", name)
	return api.Tunnel{}
}

func (s *side) wantState(t *testing.T, name, state string) api.Tunnel {
	t.Helper()
	tun := s.tunnel(t, name)
	if tun.State != state {
		t.Fatalf("%s is %s, want %s; fault: %v\nlog:\n%s", name, tun.State, state, tun.Fault, s.log)
	}
	return tun
}

// spis of a tunnel's pairs.
func spis(tun api.Tunnel) []string {
	var all []string
	for _, p := range tun.Pairs {
		if p.Child != nil {
			all = append(all, p.Child.SPIIn, p.Child.SPIOut)
		}
	}
	return all
}

func (s *side) held(t *testing.T) xfrm.State {
	t.Helper()
	state, err := s.Memory.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// wantLog looks for one line that has all the words.
func (s *side) wantLog(t *testing.T, words ...string) {
	t.Helper()
	for line := range strings.Lines(s.log.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return
		}
	}
	t.Errorf("no line of the log has %q:\n%s", words, s.log)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
