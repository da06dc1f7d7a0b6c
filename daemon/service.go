package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// service is the loop as package api serves it. Its methods are called from
// many goroutines.
type service struct {
	loop      *loop
	path      string // of the configuration
	program   string
	reloading chan struct{} // holds one token: one reload at a time
}

func newService(l *loop, path, program string) *service {
	return &service{loop: l, path: path, program: program, reloading: make(chan struct{}, 1)}
}

var errStopping = &api.Error{Code: api.Busy, Message: "the daemon stops"}

func noTunnel(name string) error {
	return &api.Error{Code: api.NotFound, Message: fmt.Sprintf("no tunnel %q; twinspan status lists those that are configured", name)}
}

// Status is all that goes on.
func (s *service) Status(ctx context.Context) (api.Status, error) {
	var doc api.Status
	err := s.loop.ask(ctx, func() { doc = s.loop.view(s.program) })
	return doc, err
}

// Why is how a tunnel came to its state.
func (s *service) Why(ctx context.Context, tunnel string) (api.Why, error) {
	var doc api.Why
	known := false
	err := s.loop.ask(ctx, func() {
		if known = s.loop.knows(tunnel); known {
			doc = s.loop.whyView(tunnel)
		}
	})
	if err == nil && !known {
		err = noTunnel(tunnel)
	}
	return doc, err
}

// Up asks for a tunnel whatever its configuration says about who begins.
func (s *service) Up(ctx context.Context, tunnel string) (api.Tunnel, error) {
	return s.tell(ctx, tunnel, ike.Initiate{Tunnel: tunnel})
}

// Down closes a tunnel.
func (s *service) Down(ctx context.Context, tunnel string) (api.Tunnel, error) {
	return s.tell(ctx, tunnel, ike.Close{Tunnel: tunnel})
}

// Rekey replaces the keys of a tunnel that stands.
func (s *service) Rekey(ctx context.Context, tunnel string, what api.Rekey) (api.Tunnel, error) {
	in, err := rekeyOf(tunnel, what)
	if err != nil {
		return api.Tunnel{}, err
	}
	return s.tell(ctx, tunnel, in)
}

func rekeyOf(tunnel string, what api.Rekey) (ike.Rekey, error) {
	in := ike.Rekey{Tunnel: tunnel, IKE: what.Phase != api.RekeyIPsec, IPsec: what.Phase != api.RekeyIKE}
	if what.Phase != "" && in.IKE && in.IPsec {
		return in, &api.Error{Code: api.BadRequest, Message: fmt.Sprintf("no phase %q; write %s or %s", what.Phase, api.RekeyIKE, api.RekeyIPsec)}
	}
	if what.Local == "" && what.Remote == "" {
		return in, nil
	}
	if !in.IPsec {
		return in, &api.Error{Code: api.BadRequest, Message: fmt.Sprintf("a pair of networks has no keys of phase %s; leave one of the two out", api.RekeyIKE)}
	}
	local, errLocal := netip.ParsePrefix(what.Local)
	remote, errRemote := netip.ParsePrefix(what.Remote)
	if err := cmp.Or(errLocal, errRemote); err != nil {
		return in, &api.Error{Code: api.BadRequest, Message: fmt.Sprintf("no pair of networks: %v; write both as in 192.168.1.0/24", err)}
	}
	in.IKE, in.Sel = false, xfrm.Selector{Local: local, Remote: remote}
	return in, nil
}

func (s *service) tell(ctx context.Context, tunnel string, in ike.Input) (api.Tunnel, error) {
	var doc api.Tunnel
	known := false
	err := s.loop.ask(ctx, func() {
		if known = s.loop.knows(tunnel); known {
			s.loop.step(in)
			doc = s.loop.oneView(tunnel)
		}
	})
	if err == nil && !known {
		err = noTunnel(tunnel)
	}
	return doc, err
}

// Reload reads the files again and applies what changed, or tells every fault
// and changes nothing.
func (s *service) Reload(ctx context.Context) (api.Reloaded, error) {
	select {
	case s.reloading <- struct{}{}:
		defer func() { <-s.reloading }()
	case <-ctx.Done():
		return api.Reloaded{}, ctx.Err()
	}
	s.loop.notify.reloading()
	doc, err := s.reload(ctx)
	s.settle(doc, err)
	return doc, err
}

func (s *service) reload(ctx context.Context) (api.Reloaded, error) {
	next, err := load(s.path)
	if err != nil {
		return api.Reloaded{}, invalid(err)
	}
	var doc api.Reloaded
	var refused error
	if err := s.loop.ask(ctx, func() { doc, refused = s.loop.apply(next) }); err != nil {
		return api.Reloaded{}, err
	}
	return doc, refused
}

// settle tells the log and systemd how a reload ended.
func (s *service) settle(doc api.Reloaded, err error) {
	why := ""
	if err != nil {
		why = oneLine(err.Error())
	}
	_ = s.loop.ask(context.Background(), func() { s.loop.refused = why }) // a loop that has ended tells nobody
	if err != nil {
		s.loop.log.Error("reload failed", "reason", err.Error()) // which says what is in force now
		s.loop.notify.ready("reload failed: " + err.Error())
		return
	}
	s.loop.log.Info("reloaded", "summary", doc.Summary)
	for _, w := range doc.Warnings {
		s.loop.log.Warn("configuration", "reason", w.String())
	}
	s.loop.notify.ready(doc.Summary)
}
