package interop

import (
	"fmt"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

func (p *play) daemon() *twin.Daemon { return p.ours.(*twinSide).daemon }

// severalPairs are two networks at each end: four pairs under one phase 1.
func severalPairs() []story {
	sites := twoNetworks()
	all := func(t *tunnel) { t.pairs = between(sites).pairs }
	return []story{
		{name: "four pairs, " + who(false), set: all},
		{name: "four pairs, " + who(true), theirs: true, set: all},
	}
}

func thePairIsClosed(p *play) {
	p.must(p.peer.closePair(p.ctx))
	p.gone(p.ctx, p.T, p.ours)
	p.resumes(15 * time.Second)
}

func allIsClosed(p *play) {
	p.must(p.peer.closeAll(p.ctx))
	p.gone(p.ctx, p.T, p.ours)
	p.resumes(15 * time.Second)
}

func weClose(p *play) {
	_, err := p.daemon().Down(p.ctx, name)
	p.must(err)
	p.gone(p.ctx, p.T, p.peer)
	p.must(p.lost())
	p.must(p.ours.initiate(p.ctx, p.tunnel))
	p.resumes(5 * time.Second)
}

// crash kills our daemon and starts it again.
func (p *play) crash() {
	p.Helper()
	p.daemon().Kill()
	p.must(p.daemon().Start(p.ctx))
}

func weCrash(p *play) {
	p.crash()
	p.resumes(15 * time.Second)
}

// floodRate is how many pings a second pass while something happens.
func floodRate() int {
	if netns.InVM() {
		return 20
	}
	return 200
}

// unharmed does something while pings flow, none of which may be lost.
func (p *play) unharmed(do func()) {
	p.Helper()
	flood, err := p.bed.VPC.Flood(p.bed.Sites.VPC.Hosts[0].Addr(), p.bed.Sites.IDC.Hosts[0].Addr(), floodRate())
	p.must(err)
	do()
	account, err := flood.Stop()
	p.must(err)
	if len(account.Lost) > 0 {
		p.Errorf("pings were lost: %v", account)
	}
}

// renewed waits until the pair has other SAs than before at both ends, and both
// ends agree on them.
func (p *play) renewed(before child) {
	p.Helper()
	p.within(10*time.Second, "the pair is renewed", func() error {
		now, err := p.peer.children(p.ctx)
		if err == nil && (len(now) != 1 || now[0].spiIn == before.spiIn) {
			err = fmt.Errorf("the peer has %v, as before", now)
		}
		return err
	})
	p.within(10*time.Second, "both ends agree", p.matched)
}

// pairOfPeer is the peer's side of the only pair.
func (p *play) pairOfPeer() child {
	p.Helper()
	now, err := p.peer.children(p.ctx)
	p.must(err)
	if len(now) != 1 {
		p.Fatalf("the peer has %v, want one pair", now)
	}
	return now[0]
}

func thePeerRekeysThePair(p *play) {
	p.unharmed(func() {
		for range 3 {
			before := p.pairOfPeer()
			p.must(p.peer.rekeyPair(p.ctx))
			p.renewed(before)
		}
	})
}

// thePeerRekeysPhase1 asks that the pair outlives it, and can be rekeyed after.
func thePeerRekeysPhase1(p *play) {
	p.unharmed(func() {
		for range 3 {
			p.must(p.peer.rekeyPhase1(p.ctx))
			p.within(10*time.Second, "both ends agree", p.matched)
			before := p.pairOfPeer()
			p.must(p.peer.rekeyPair(p.ctx))
			p.renewed(before)
		}
	})
}
