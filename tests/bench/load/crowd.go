package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/twinspan/twinspan/daemon/netio"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
	"github.com/twinspan/twinspan/xfrm"
)

// result is what a load has shown.
type result struct {
	up     int
	resent int
	wall   time.Duration // from the first that begins to the last that is up
	times  []time.Duration
	cpu    time.Duration // of the daemon
	memory int           // that the daemon has gained, in bytes
}

func (r result) each(sum float64) float64 { return sum / float64(max(r.up, 1)) }

// took is how long a share of the tunnels took at most.
func (r result) took(share float64) time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	slices.Sort(r.times)
	return r.times[int(share*float64(len(r.times)-1))].Round(100 * time.Microsecond)
}

// initiators are all customer gateways: one engine, one socket per port, and no
// data plane.
type initiators struct {
	order
	result
	engine *engine.Engine
	wire   *netio.Sockets
	jobs   chan ike.Compute
	done   chan ike.Computed
	queue  []ike.Compute
	asked  int                  // tunnels that were asked for
	begun  map[string]time.Time // when each sent its first message
	first  time.Time
}

// peers are the tunnels as the customer gateways have them.
func peers(o order) []ike.Peer {
	phase1 := ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1, Group: ike.Group(o.group)}
	phase2 := ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}
	list := make([]ike.Peer, o.tunnels)
	for n := range list {
		list[n] = ike.Peer{
			Name: fmt.Sprintf("t%d", n), Local: peer(n), Remote: gatewayHost.Addr(),
			LocalID: ike.AddressID(peer(n)), RemoteID: ike.AddressID(gatewayHost.Addr()),
			Keys: []xfrm.Secret{xfrm.NewSecret([]byte(key))}, Mode: ike.Main, Start: ike.Passive,
			Proposals: []ike.Proposal{phase1}, Lifetime: ike.Lifetime{Time: 24 * time.Hour}, IfID: xfrm.Ours | 1,
			Children: []ike.Child{{
				Sel: xfrm.Selector{Local: inside(n), Remote: facing(n)}, ReqID: uint32(n + 1),
				Proposals: []ike.Proposal{phase2}, Lifetime: ike.Lifetime{Time: time.Hour},
			}},
		}
	}
	return list
}

// load brings all tunnels up at the order's rate.
func (s *stage) load(ctx context.Context, o order) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	c := &initiators{
		order: o, engine: engine.New(engine.Options{Rand: rand.Reader, Starting: o.window}),
		jobs: make(chan ike.Compute), done: make(chan ike.Computed, 64), begun: map[string]time.Time{},
	}
	err := s.crowd.Do(func() (err error) {
		c.wire, err = netio.Listen(netio.Options{Queue: 1 << 16})
		return err
	})
	if err != nil {
		return c.result, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.wire.Serve(ctx, nil) })
	g.Go(func() error { return c.compute(ctx) })
	g.Go(func() error {
		defer cancel()
		c.run(ctx)
		return nil
	})
	err = g.Wait()
	return c.result, errors.Join(err, c.wire.Close())
}

// compute does the initiators' share of Diffie-Hellman, on one processor: the
// other is the daemon's.
func (c *initiators) compute(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-c.jobs:
			c.done <- ike.Computed{ID: j.ID, Result: j.Do()}
		}
	}
}

// run is the initiators' loop: until all are up or ctx ends.
func (c *initiators) run(ctx context.Context) {
	c.step(ike.Configure{Peers: peers(c.order)})
	c.first = time.Now()
	timer := time.NewTimer(0)
	for c.up < c.tunnels && ctx.Err() == nil {
		c.begin()
		timer.Reset(c.idle())
		var jobs chan ike.Compute
		var job ike.Compute
		if len(c.queue) > 0 {
			jobs, job = c.jobs, c.queue[0]
		}
		select {
		case <-ctx.Done():
		case d := <-c.wire.Packets():
			c.step(ike.Packet{Local: d.Local, Remote: d.Remote, Data: d.Data})
		case jobs <- job:
			c.queue = c.queue[1:]
		case r := <-c.done:
			c.step(r)
		case <-timer.C:
			c.step(ike.Tick{})
		}
	}
}

// begin has those begin whose turn has come, a few at a time.
func (c *initiators) begin() {
	const few = 16
	for range few {
		n := c.asked
		if n == c.tunnels || time.Since(c.first) < c.turn(n) {
			return
		}
		c.asked++
		c.step(ike.Initiate{Tunnel: fmt.Sprintf("t%d", n)})
	}
}

// turn is when the n-th begins.
func (c *initiators) turn(n int) time.Duration {
	if c.rate == 0 {
		return 0
	}
	return time.Duration(n) * time.Second / time.Duration(c.rate)
}

// idle is how long there is nothing to do but to wait.
func (c *initiators) idle() time.Duration {
	wait := time.Second
	if at, ok := c.engine.Wake(); ok {
		wait = min(wait, time.Until(at))
	}
	if n := c.asked; n < c.tunnels {
		wait = min(wait, c.turn(n)-time.Since(c.first))
	}
	return max(wait, 0)
}

// step gives the engine an input and does what it says. SAs are not wanted.
func (c *initiators) step(in ike.Input) {
	for _, action := range c.engine.Step(time.Now(), in) {
		switch a := action.(type) {
		case ike.Send:
			if c.wire.Send(a.Local, a.Remote, a.Data) != nil {
				c.resent++ // lost here, and to be sent again
			}
		case ike.Compute:
			c.queue = append(c.queue, a)
		case ike.Report:
			c.heard(a)
		}
	}
}

func (c *initiators) heard(r ike.Report) {
	switch r.Kind {
	case ike.Resent:
		c.resent++
	case ike.MessageOut:
		if r.Step == "MM1" {
			c.begun[r.Tunnel] = time.Now()
		}
	case ike.ChildUp:
		c.up++
		c.wall = time.Since(c.first)
		c.times = append(c.times, time.Since(c.begun[r.Tunnel]))
	}
}
