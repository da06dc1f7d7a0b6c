package interop

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

func (p *play) daemon() *twin.Daemon { return p.ours.(*twinSide).daemon }

// soon is how long a negotiation may take, and later one that is tried again.
const (
	soon  = 5 * time.Second
	later = 15 * time.Second
)

func thePairIsClosed(p *play) {
	p.must(p.peer.closePair(p.ctx))
	p.gone(p.ctx, p.T, p.ours)
	p.resumes(later)
}

func allIsClosed(p *play) {
	p.must(p.peer.closeAll(p.ctx))
	p.gone(p.ctx, p.T, p.ours)
	p.resumes(later)
}

func thePeerClosesAll(p *play) {
	p.must(p.peer.closeAll(p.ctx))
	p.resumes(later)
}

func thePeerClosesAndBegins(p *play) {
	p.must(p.peer.closeAll(p.ctx))
	p.gone(p.ctx, p.T, p.ours)
	p.must(p.peer.initiate(p.ctx, p.mirror()))
	p.resumes(soon)
}

func weClose(p *play) {
	_, err := p.daemon().Down(p.ctx, name)
	p.must(err)
	p.gone(p.ctx, p.T, p.peer)
	p.must(p.lost())
	p.must(p.ours.initiate(p.ctx, p.tunnel))
	p.resumes(soon)
}

// crash kills our daemon and starts it again.
func (p *play) crash() {
	p.Helper()
	p.daemon().Kill()
	p.must(p.daemon().Start(p.ctx))
}

func weCrash(p *play) {
	p.crash()
	p.resumes(later)
}

func weCrashAndThePeerBegins(p *play) {
	p.crash()
	p.must(p.peer.closeAll(p.ctx))
	p.must(p.peer.initiate(p.ctx, p.mirror()))
	p.resumes(soon)
}

func weStop(p *play) {
	p.must(p.daemon().Stop())
	p.gone(p.ctx, p.T, p.peer)
	p.must(p.daemon().Start(p.ctx))
	p.resumes(later)
}

// reboot kills the peer and starts it again.
func (p *play) reboot() {
	p.Helper()
	p.peer.kill()
	p.must(p.peer.boot(p.ctx, p.mirror()))
}

func thePeerReboots(p *play) {
	p.reboot()
	p.must(p.peer.initiate(p.ctx, p.mirror()))
	p.resumes(soon)
}

// floodRate is how many pings a second pass while something happens.
func floodRate() int {
	if netns.InVM() {
		return 20
	}
	return 200
}

// unharmed does something while pings flow, none of which may be lost, but for
// what the peer is known to lose when we rekey.
func (p *play) unharmed(do func()) {
	p.Helper()
	flood, err := p.bed.VPC.Flood(p.bed.Sites.VPC.Hosts[0].Addr(), p.bed.Sites.IDC.Hosts[0].Addr(), floodRate())
	p.must(err)
	defer func() { // also when the story ends in the midst of it
		account, err := flood.Stop()
		if err != nil || len(account.Lost) > p.loses*p.asked {
			p.Errorf("pings: %v, %v", account, err)
			return
		}
		p.Logf("pings: %v", account)
	}()
	do()
}

// pair is what an end has, which must be a single one.
func (p *play) pair(end side) child {
	p.Helper()
	now, err := end.children(p.ctx)
	p.must(err)
	if len(now) != 1 {
		p.Fatalf("there is %v, want one pair", now)
	}
	return now[0]
}

// renews has the pair replaced, and waits until both ends agree on the new one.
func (p *play) renews(replace func() error) {
	p.Helper()
	before := p.pair(p.ours)
	p.must(replace())
	p.within(later, "the pair is renewed", func() error {
		now, err := p.ours.children(p.ctx)
		if err == nil && (len(now) != 1 || now[0].spiIn == before.spiIn) {
			err = fmt.Errorf("we have %v, as before", now)
		}
		return err
	})
	p.within(later, "both ends agree", p.matched)
}

// cookies name our ISAKMP SA.
func (p *play) cookies() (string, error) {
	t, err := p.daemon().Tunnel(p.ctx, name)
	if err == nil && t.Session == nil {
		err = fmt.Errorf("there is no ISAKMP SA; the tunnel is %s", t.State)
	}
	if err != nil {
		return "", err
	}
	return t.Session.Cookies, nil
}

// renewsPhase1 has phase 1 replaced, and waits until it is.
func (p *play) renewsPhase1(replace func() error) {
	p.Helper()
	before, err := p.cookies()
	p.must(err)
	p.must(replace())
	p.within(later, "phase 1 is renewed", func() error {
		now, err := p.cookies()
		if err == nil && now == before {
			err = fmt.Errorf("it is %s, as before", now)
		}
		return err
	})
	p.within(later, "both ends agree", p.matched)
}

func (p *play) peerRekeysPair() error { return p.peer.rekeyPair(p.ctx) }

func (p *play) peerRekeysPhase1() error { return p.peer.rekeyPhase1(p.ctx) }

func (p *play) weRekeyPair() error {
	p.asked++
	_, err := p.daemon().Rekey(p.ctx, name, api.RekeyIPsec)
	return err
}

func (p *play) weRekeyPhase1() error {
	_, err := p.daemon().Rekey(p.ctx, name, api.RekeyIKE)
	return err
}

// weMayRekeyPhase1 is for when the peer does it too: it may have been faster, and
// what it began from behind a translator, as its ESP in user space says that it
// always is, is not ours to replace.
func (p *play) weMayRekeyPhase1() error {
	err := p.weRekeyPhase1()
	if err != nil && strings.Contains(err.Error(), "only the peer can replace phase 1") {
		return nil
	}
	return err
}

// rounds is how often something is done that must not matter.
const rounds = 3

func thePeerRekeysThePair(p *play) {
	p.unharmed(func() {
		for range rounds {
			p.renews(p.peerRekeysPair)
		}
	})
}

func weRekeyThePair(p *play) {
	p.unharmed(func() {
		for range rounds {
			p.renews(p.weRekeyPair)
		}
	})
}

// thePeerRekeysPhase1 asks that the pair outlives it, and can be rekeyed after.
func thePeerRekeysPhase1(p *play) {
	p.unharmed(func() {
		for range rounds {
			p.renewsPhase1(p.peerRekeysPhase1)
			p.renews(p.peerRekeysPair)
		}
	})
}

func weRekeyPhase1(p *play) {
	p.unharmed(func() {
		for range rounds {
			p.renewsPhase1(p.weRekeyPhase1)
			p.renews(p.weRekeyPair)
		}
	})
}

// together does two things at once.
func together(one, other func() error) func() error {
	return func() error {
		done := make(chan error)
		go func() { done <- other() }()
		err := one()
		if second := <-done; err == nil {
			err = second
		}
		return err
	}
}

func bothRekeyThePair(p *play) {
	p.unharmed(func() {
		for range rounds {
			p.renews(together(p.weRekeyPair, p.peerRekeysPair))
		}
	})
}

func bothRekeyAll(p *play) {
	p.unharmed(func() {
		for range rounds {
			p.renewsPhase1(together(p.weMayRekeyPhase1, p.peerRekeysPhase1))
			p.renews(together(p.weRekeyPair, p.peerRekeysPair))
		}
	})
}

// livesOn lets the peer's SAs live and die, each of phase 2 twice at least.
func livesOn(p *play) {
	const long = 30 * time.Second
	phase1, err := p.cookies()
	p.must(err)
	p.unharmed(func() {
		for range 2 {
			p.renews(func() error { return nil })
		}
		p.within(long, "phase 1 is renewed", func() error {
			now, err := p.cookies()
			if err == nil && now == phase1 {
				err = fmt.Errorf("it is %s, as before", now)
			}
			return err
		})
	})
	p.resumes(soon)
}

// found is how long a dead peer may stay unnoticed.
const found = (askDelay + askTimeout + 3) * time.Second

// bothStay leaves both ends alone for long enough that each has asked more than
// once, and would have given up without an answer.
func bothStay(p *play) {
	before := p.pair(p.ours)
	capture := p.meeting.watch(p.T)
	p.within(3*found, "IKE has been seen", func() error {
		if n := capture.Tally().IKE; n < 8 { // two questions of each end and their answers
			return fmt.Errorf("%d messages of IKE", n)
		}
		return nil
	})
	if now := p.pair(p.ours); now.spiIn != before.spiIn {
		p.Errorf("the pair is %v, it was %v", now, before)
	}
	p.resumes(soon)
}

// freeze stops the peer's daemon until the returned function is called.
func (p *play) freeze() (thaw func()) {
	p.must(p.peer.signal(syscall.SIGSTOP))
	thaw = func() { p.must(p.peer.signal(syscall.SIGCONT)) }
	p.Cleanup(thaw)
	return thaw
}

// noticed waits until we know that the peer is dead. Its SAs may stay until
// there are others, if we begin again.
func (p *play) noticed() {
	p.Helper()
	p.within(found, "the dead peer is noticed", func() error {
		t, err := p.daemon().Tunnel(p.ctx, name)
		if err == nil && t.State == "up" {
			err = errors.New("the tunnel is up")
		}
		return err
	})
}

func thePeerFreezes(p *play) {
	p.freeze()
	p.noticed()
	p.must(p.lost())
}

func thePeerFreezesAndThaws(p *play) {
	thaw := p.freeze()
	p.noticed()
	thaw()
	p.resumes(later)
}

func theLinkGoes(p *play) {
	p.must(p.bed.Internet.SetLink(netns.ToIDC, false))
	p.Cleanup(func() { p.must(p.bed.Internet.SetLink(netns.ToIDC, true)) })
	p.noticed()
	p.must(p.bed.Internet.SetLink(netns.ToIDC, true))
	p.resumes(later)
}

func thePeerRebootsAndWaits(p *play) {
	p.reboot()
	p.resumes(found + later)
}

// weFreeze asks that the peer gives up, as it does without our answers, and
// that we find each other again.
func weFreeze(p *play) {
	p.must(p.daemon().Signal(syscall.SIGSTOP))
	p.Cleanup(func() { p.must(p.daemon().Signal(syscall.SIGCONT)) })
	p.within(2*found, "the peer notices", func() error {
		now, err := p.peer.children(p.ctx)
		if err == nil && len(now) > 0 {
			err = fmt.Errorf("it has %v", now)
		}
		return err
	})
	p.must(p.daemon().Signal(syscall.SIGCONT))
	p.must(p.peer.initiate(p.ctx, p.mirror()))
	p.resumes(soon)
}

// theTranslatorForgets lets the hidden end appear from another port, which the
// other learns from the next thing that the hidden one says: its questions
// whether its peer is there, at the latest.
func theTranslatorForgets(p *play) {
	for range 2 {
		p.must(p.bed.Translators[0].Rebind())
		p.resumes(2 * later)
	}
}
