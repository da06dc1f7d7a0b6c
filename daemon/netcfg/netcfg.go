// Package netcfg fits the host's network to the gateways: the guard that keeps
// protected traffic off every other way, the routes and routing rules that lead
// it to the gateways' devices, and the host's settings that would stop it. It
// knows neither IKE nor ESP nor the configuration, makes no devices (the data
// plane does), and does not log.
//
// What is ours is marked: nftables tables named "twinspan", and routing tables
// whose number begins with 0x5457. Nothing else is ever changed or removed.
package netcfg

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// tables is the number space of our routing tables: the upper half says ours,
// the lower which.
const tables uint32 = 0x54570000

func ours(table uint32) bool { return table&0xffff0000 == tables }

// Guard is a pair of networks that may reach each other through Device only.
// Several guards of one pair allow each of their devices.
type Guard struct {
	Local, Remote netip.Prefix
	Device        string
}

// Route leads to Dst through Device, in a table of ours.
type Route struct {
	Table  uint32
	Dst    netip.Prefix
	Device string
}

// Rule sends packets from a network to a table of ours. The longer prefix goes
// first.
type Rule struct {
	From  netip.Prefix
	Table uint32
}

// Device is a gateway's network device, made by the data plane.
type Device struct {
	Name  string
	Alias string // for people: shown by `ip link`
}

// Want is all that SetRoutes makes so.
type Want struct {
	Devices []Device
	Routes  []Route
	Rules   []Rule
}

// Net changes the network of one network namespace. It is for one goroutine at
// a time.
type Net struct {
	space  netns.NsHandle
	handle *netlink.Handle
	guard  content  // of the last SetGuards, nil before
	want   Want     // of the last SetRoutes
	notes  []string // see Notes
	watch  watch
}

// New opens the network of the calling thread's network namespace.
func New() (*Net, error) {
	space, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("find the network namespace: %w", err)
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink: %w", err), space.Close())
	}
	return &Net{space: space, handle: handle}, nil
}

// Close lets go of the descriptors. Guard, routes and rules stay.
func (n *Net) Close() error {
	n.handle.Close()
	return errors.Join(n.watch.close(), n.space.Close())
}

// Clear removes all that is ours: rules and routes, and the guard last.
func (n *Net) Clear(ctx context.Context) error {
	if err := n.SetRoutes(ctx, Want{}); err != nil {
		return err
	}
	return n.removeGuard()
}

// inside calls do on a thread in our namespace. Usually that is the caller's
// own; a process that lives in several needs CAP_SYS_ADMIN for it.
func (n *Net) inside(do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	if err != nil {
		return fmt.Errorf("find the network namespace: %w", err)
	}
	defer here.Close()
	if here.Equal(n.space) {
		return do()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := netns.Set(n.space); err != nil {
			done <- fmt.Errorf("enter the network namespace: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}
