package interop

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/twinspan/twinspan/tests/libreswan"
	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
)

// foreign is a gateway of another make, and what can happen to it.
type foreign interface {
	side
	closePair(ctx context.Context) error // the first, telling us; the ISAKMP SA stays
	closeAll(ctx context.Context) error  // telling us
	rekeyPair(ctx context.Context) error
	rekeyPhase1(ctx context.Context) error
	signal(sig syscall.Signal) error
	kill()                                    // as a crash would
	boot(ctx context.Context, t tunnel) error // what was killed, as a new machine
}

// kind is a make of gateways.
type kind struct {
	name      string
	start     startSide
	available func() error
	loses     int // pings that may be lost for each pair that it replaces at our asking
}

// libreLoses is what Libreswan 4.10 makes its peer lose, be that another Libreswan:
// when it answers a quick mode, it installs both SAs and sends on the new one as
// it sends QM2. Until the peer has that and has computed the keys, it can only drop
// what comes (XfrmInNoStates). At the flood's rate that is one ping, or two when the
// machine is busy. What is sent to Libreswan is not lost. strongSwan waits for QM3.
const libreLoses = 2

// kinds are the makes that can be met on this machine.
func kinds(t *testing.T) []kind {
	t.Helper()
	all := []kind{{"strongSwan", startSwan, swan.Available, 0}}
	if kernelESP() {
		all = append(all, kind{"Libreswan", startLibre, libreswan.Available, libreLoses})
	}
	for _, k := range all {
		if err := k.available(); err != nil {
			netns.Lacks(t, err)
		}
	}
	return all
}

func (s *swanSide) closePair(ctx context.Context) error { return s.charon.Close(ctx, childName(0)) }

func (s *swanSide) closeAll(ctx context.Context) error { return s.charon.Terminate(ctx) }

func (s *swanSide) rekeyPair(ctx context.Context) error { return s.charon.Rekey(ctx, childName(0)) }

func (s *swanSide) rekeyPhase1(ctx context.Context) error {
	return s.charon.Reauthenticate(ctx, connName)
}

func (s *swanSide) signal(sig syscall.Signal) error { return s.charon.Signal(sig) }

func (s *swanSide) kill() { s.charon.Kill() }

func (s *swanSide) boot(ctx context.Context, t tunnel) error {
	if err := s.charon.Restart(ctx); err != nil {
		return err
	}
	return s.load(ctx, t)
}

// libreSide is a Libreswan.
type libreSide struct {
	pluto *libreswan.Pluto
}

func startLibre(ctx context.Context, space *netns.Space) (side, error) {
	p, err := libreswan.Start(ctx, space)
	if err != nil {
		return nil, err
	}
	return &libreSide{p}, nil
}

func (s *libreSide) log() string { return s.pluto.Log() }

func (s *libreSide) close() error { return s.pluto.Stop() }

// libreStarts are our words for who begins in those of Libreswan.
var libreStarts = map[string]string{"active": "start", "flow_trigger": "ondemand"}

func (s *libreSide) load(ctx context.Context, t tunnel) error {
	c := libreswan.Conn{
		Local: t.local.own, Remote: t.remote.seen, LocalID: identityOf(t.localID, t.local), RemoteID: identityOf(t.remoteID, t.remote),
		Key: t.key, IKE: t.ike, Aggressive: t.aggressive, Lifetime: t.mine.ikeLife,
	}
	if t.mine.delay != 0 {
		c.DPD = libreswan.DPD{Delay: t.mine.delay, Timeout: t.mine.timeout, Action: "clear"}
	}
	for i, p := range t.pairs {
		c.Children = append(c.Children, libreswan.Child{
			Name: childName(i), Local: p.local, Remote: p.remote, ESP: t.esp, Start: libreStarts[t.mine.start], Lifetime: t.mine.espLife,
		})
	}
	return s.pluto.Load(ctx, c)
}

func (s *libreSide) initiate(ctx context.Context, t tunnel) error {
	for i := range t.pairs {
		if err := s.pluto.Initiate(ctx, childName(i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *libreSide) session(ctx context.Context) (session, error) {
	sas, _, err := s.pluto.SAs(ctx)
	if err != nil {
		return session{}, err
	}
	for _, sa := range sas {
		if sa.Proposal != "" {
			return session{sa.Proposal, sa.Initiator}, nil
		}
	}
	return session{}, fmt.Errorf("Libreswan has no ISAKMP SA that stands: %+v", sas)
}

func (s *libreSide) children(ctx context.Context) ([]child, error) {
	_, children, err := s.pluto.SAs(ctx)
	var all []child
	for _, c := range children {
		if !c.Newest {
			continue
		}
		all = append(all, child{
			pair: pair{c.Local, c.Remote}, spiIn: c.SPIIn, spiOut: c.SPIOut, proposal: c.Proposal,
			encap: c.Encap, packetsIn: c.PacketsIn, packetsOut: c.PacketsOut,
		})
	}
	return sorted(all), err
}

func (s *libreSide) closePair(ctx context.Context) error {
	_, children, err := s.pluto.SAs(ctx)
	if err != nil {
		return err
	}
	for _, c := range children {
		if c.Conn == childName(0) {
			return s.pluto.Delete(ctx, c.Number)
		}
	}
	return errors.New("Libreswan has no pair to close")
}

func (s *libreSide) closeAll(ctx context.Context) error { return s.pluto.Terminate(ctx, childName(0)) }

// rekeyPair: with IKEv1 pluto begins a quick mode whenever it is told to.
func (s *libreSide) rekeyPair(ctx context.Context) error {
	return s.pluto.Initiate(ctx, childName(0))
}

// rekeyPhase1: pluto does it only when its lifetime ends.
func (s *libreSide) rekeyPhase1(context.Context) error { return errors.ErrUnsupported }

func (s *libreSide) signal(sig syscall.Signal) error { return s.pluto.Signal(sig) }

func (s *libreSide) kill() { s.pluto.Kill() }

func (s *libreSide) boot(ctx context.Context, t tunnel) error {
	if err := s.pluto.Restart(ctx); err != nil {
		return err
	}
	return s.load(ctx, t)
}
