// Package kernel is the data plane of the Linux kernel: it puts SAs, policies
// and XFRM interfaces where package xfrm asks for them, and tells what the
// kernel saw. It speaks netlink with messages of its own making, since it needs
// what no library has: batches, replay windows above 32, acquire and mapping
// events, and IPv6 that is read back right.
//
// A packet that meets a policy without an SA is dropped, not held until there is
// one: the kernel's hold queue (net.core.xfrm_larval_drop = 0) is for lookups of
// sockets and of routes, and an XFRM interface makes neither. Seen on Linux 6.1
// with the setting at 0 and at 1.
//
// It does not know IKE, tunnels or configuration, does not route, and does not
// log: errors say what the kernel refused and why. It keeps no copy of what it
// was told; the kernel's tables are the only state, so what another process of
// ours left there is found again.
//
// All sockets belong to the network namespace of the thread that called New or
// Probe, and stay there.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// Backend is the kernel's XFRM in one network namespace.
type Backend struct {
	sas      *conn // its mu guards ages
	ages     ages
	policies *conn
	setting  sync.Mutex // one SetPolicies at a time
	linking  sync.Mutex // one SetLinks at a time; guards links
	links    *netlink.Handle
	listener *listener

	sightings sightings
}

var _ xfrm.Backend = (*Backend)(nil)

// New opens the sockets in the calling thread's network namespace and begins to
// listen for events. It needs CAP_NET_ADMIN there.
func New() (*Backend, error) {
	b := Backend{ages: ages{}}
	err := b.open()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kernel data plane: %w", err), b.Close())
	}
	return &b, nil
}

func (b *Backend) open() (err error) {
	if b.sas, err = dial(); err != nil {
		return err
	}
	if b.policies, err = dial(); err != nil {
		return err
	}
	if b.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink socket for links: %w", err)
	}
	b.listener, err = listen()
	return err
}

// Dump returns what is ours and nothing else. The keys are not read out.
func (b *Backend) Dump(ctx context.Context) (xfrm.State, error) {
	var s xfrm.State
	err := b.eachSA(ctx, func(h heldSA) { s.SAs = append(s.SAs, h.SA) })
	if err != nil {
		return xfrm.State{}, fmt.Errorf("read the SAs: %w", err)
	}
	if s.Policies, err = b.policiesHeld(ctx); err != nil {
		return xfrm.State{}, err
	}
	if s.Links, err = b.linksHeld(); err != nil {
		return xfrm.State{}, err
	}
	return s, nil
}

// Events delivers what the kernel saw. When nobody takes them they wait in the
// kernel, and when its buffer overflows there is an xfrm.Lost in their place.
func (b *Backend) Events() <-chan xfrm.Event { return b.listener.events }

// Close ends the events and closes the sockets. SAs, policies and links stay.
func (b *Backend) Close() error {
	var err error
	if b.listener != nil {
		err = b.listener.close()
	}
	for _, c := range []*conn{b.sas, b.policies} {
		if c != nil {
			err = errors.Join(err, c.close())
		}
	}
	b.linking.Lock()
	defer b.linking.Unlock()
	if b.links != nil {
		b.links.Close()
		b.links = nil // a closed handle would open new sockets, wherever its caller is
	}
	return err
}
