package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
)

// side is a gateway: twinspand or another IKE daemon.
type side interface {
	// load makes the tunnel the only one that is configured; nothing stands.
	load(ctx context.Context, t tunnel) error
	// initiate negotiates all pairs, and returns when they stand.
	initiate(ctx context.Context, t tunnel) error
	// session is what phase 1 agreed on.
	session(ctx context.Context) (session, error)
	// children are the pairs that stand, sorted by their networks.
	children(ctx context.Context) ([]child, error)
	log() string
	close() error
}

type session struct {
	proposal  string // "aes256-sha1-group14"
	initiator bool
}

type child struct {
	pair
	spiIn, spiOut         uint32
	proposal              string // with the group when there was PFS
	encap                 bool
	packetsIn, packetsOut uint64
}

func (c child) String() string {
	return fmt.Sprintf("%v (in %#08x, out %#08x, %s)", c.pair, c.spiIn, c.spiOut, c.proposal)
}

// sorted puts children into the order of their networks.
func sorted(all []child) []child {
	slices.SortFunc(all, func(a, b child) int {
		return strings.Compare(a.pair.String(), b.pair.String())
	})
	return all
}

// kernelESP tells whether this kernel has ESP. The virtual machine's does;
// whether this machine's does is not asked: here user space is to be tested.
func kernelESP() bool { return netns.InVM() }

// startSide is how the tests start a gateway in a namespace.
type startSide func(ctx context.Context, space *netns.Space) (side, error)

// open starts a gateway that ends with the test, and shows its log if the test
// failed.
func open(t *testing.T, space *netns.Space, start startSide) side {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(15*time.Second))
	defer cancel()
	s, err := start(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", space.Name, lastLines(s.log(), 200))
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// swanSide is a strongSwan.
type swanSide struct {
	charon *swan.Charon
}

func startSwan(ctx context.Context, space *netns.Space) (side, error) {
	plane := swan.UserSpace
	if kernelESP() {
		plane = swan.Kernel
	}
	c, err := swan.Start(ctx, space, plane)
	if err != nil {
		return nil, err
	}
	return &swanSide{c}, nil
}

func (s *swanSide) log() string { return s.charon.Log() }

func (s *swanSide) close() error { return s.charon.Stop() }

func (s *swanSide) load(ctx context.Context, t tunnel) error {
	c := swan.Conn{
		Name: connName, Local: t.local.own, Remote: t.remote.seen, LocalID: identityOf(t.localID, t.local), RemoteID: identityOf(t.remoteID, t.remote),
		Key: t.key, IKE: t.ike, Aggressive: t.aggressive, DPD: t.mine.delay, Lifetime: t.mine.ikeLife,
	}
	for i, p := range t.pairs {
		c.Children = append(c.Children, swan.Child{
			Name: childName(i), Local: p.local, Remote: p.remote, ESP: t.esp, Start: swanStarts[t.mine.start], Lifetime: t.mine.espLife, Rekey: t.mine.espLife * 2 / 3,
		})
	}
	return s.charon.Load(ctx, c)
}

// connName is what strongSwan calls its connection.
const connName = "t"

// swanStarts are our words for who begins in those of strongSwan.
var swanStarts = map[string]string{"active": "start", "flow_trigger": "trap"}

// identityOf is what an end calls itself.
func identityOf(name string, e end) string {
	if name == "" {
		return e.own.String()
	}
	return name
}

func childName(i int) string { return fmt.Sprintf("c%d", i) }

func (s *swanSide) initiate(ctx context.Context, t tunnel) error {
	for i := range t.pairs {
		if err := s.charon.Initiate(ctx, childName(i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *swanSide) session(ctx context.Context) (session, error) {
	sas, err := s.charon.SAs(ctx)
	if err != nil {
		return session{}, err
	}
	for _, sa := range sas {
		if sa.State == "ESTABLISHED" {
			return session{sa.Proposal, sa.Initiator}, nil
		}
	}
	return session{}, fmt.Errorf("strongSwan has no ISAKMP SA that stands: %+v", sas)
}

func (s *swanSide) children(ctx context.Context) ([]child, error) {
	sas, err := s.charon.SAs(ctx)
	var all []child
	for _, sa := range sas {
		for _, c := range sa.Children {
			if c.State != "INSTALLED" {
				continue
			}
			if len(c.Local) != 1 || len(c.Remote) != 1 {
				err = errors.Join(err, fmt.Errorf("strongSwan's child has other selectors than one pair: %+v", c))
				continue
			}
			all = append(all, child{
				pair: pair{c.Local[0], c.Remote[0]}, spiIn: c.SPIIn, spiOut: c.SPIOut, proposal: c.Proposal,
				encap: c.Encap, packetsIn: c.PacketsIn, packetsOut: c.PacketsOut,
			})
		}
	}
	return sorted(all), err
}
