package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/netcfg"
	"github.com/twinspan/twinspan/daemon/netio"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/kernel"
	"github.com/twinspan/twinspan/xfrm/userspace"
)

// host opens what the daemon needs of the machine: the real one, or one in
// memory in tests.
type host interface {
	// Lock keeps other daemons out of this network namespace until Close.
	Lock() (io.Closer, error)
	// Choose turns the configuration's word for the data plane into one that
	// works here, and says why when that is not the one to be wished for.
	Choose(word string) (planeName, string, error)
	Network() (network, error)
	Sockets(p planeName) (sockets, error)
	Plane(p planeName, s sockets) (xfrm.Backend, error)
	// Lookup resolves a name of the DNS; network is "ip4" or "ip6".
	Lookup(ctx context.Context, network, name string) ([]netip.Addr, error)
	monitor.Host
}

// network is the host's configuration outside of the data plane: netcfg.Net.
type network interface {
	SetGuards(ctx context.Context, want []netcfg.Guard) error
	SetRoutes(ctx context.Context, want netcfg.Want) error
	// Watch tells when somebody changed what the two above have set.
	Watch() (<-chan struct{}, error)
	Warnings() []string
	Notes() []string
	Clear(ctx context.Context) error
	Close() error
}

// sockets carry the datagrams of IKE: netio.Sockets.
type sockets interface {
	// Serve reads until ctx ends; ESP in UDP goes to esp.
	Serve(ctx context.Context, esp func(local, remote netip.AddrPort, packet []byte)) error
	Packets() <-chan netio.Datagram
	Send(local, remote netip.AddrPort, data []byte) error
	SendESP(local, remote netip.AddrPort, packet []byte) error
	Dropped() uint64
	Close() error
}

// receiver is a data plane that takes ESP in UDP from our sockets.
type receiver interface {
	Receive(local, remote netip.AddrPort, packet []byte)
}

// planeName is one of the data planes.
type planeName string

const (
	planeKernel    planeName = "kernel"
	planeUserspace planeName = "userspace"
)

// linux is the machine that the process runs on.
type linux struct{ monitor.Linux }

// Lock takes the network namespace's lock.
func (linux) Lock() (io.Closer, error) { return lockNamespace() }

// Choose probes the kernel unless the configuration insists on user space.
func (linux) Choose(word string) (planeName, string, error) {
	if word == string(planeUserspace) {
		return planeUserspace, "", nil
	}
	f, err := kernel.Probe()
	return choose(word, f.ESP && f.Interfaces, f.Missing, err)
}

func choose(word string, able bool, missing []string, err error) (planeName, string, error) {
	switch {
	case err == nil && able:
		return planeKernel, "", nil
	case err == nil:
		err = errors.New(strings.Join(missing, "; "))
	}
	if word == string(planeKernel) {
		return "", "", fmt.Errorf(`dataplane = "kernel": %w; write dataplane = "auto", or give the host what is missing`, err)
	}
	return planeUserspace, fmt.Sprintf("ESP runs in user space, slower than in the kernel: %v", err), nil
}

// Network opens netlink. Here and below, what could not be opened must be nil:
// an interface around a nil pointer is not.
func (linux) Network() (network, error) {
	n, err := netcfg.New()
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Sockets binds UDP 500 and 4500.
func (linux) Sockets(p planeName) (sockets, error) {
	s, err := netio.Listen(netio.Options{KernelESP: p == planeKernel})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Plane opens the data plane.
func (linux) Plane(p planeName, s sockets) (plane xfrm.Backend, err error) {
	if p == planeKernel {
		plane, err = kernel.New()
	} else {
		plane, err = userspace.New(s)
	}
	if err != nil {
		return nil, err
	}
	return plane, nil
}

// Lookup asks the DNS and /etc/hosts.
func (linux) Lookup(ctx context.Context, network, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, name)
}
