package userspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/twinspan/twinspan/xfrm"
)

// link is a gateway's TUN device.
type link struct {
	xfrm.Link // MTU guarded by Backend.mu
	gate      *gate
	dev       tun.Device
	reader    sync.WaitGroup
	closing   atomic.Bool
	dead      atomic.Bool // nobody reads it any more
}

// tunHeader is what a TUN device with offload wants to have free before each
// packet (struct virtio_net_hdr).
const tunHeader = 10

// SetLinks implements xfrm.Backend. The devices are made in the network
// namespace of the calling thread and vanish with the process.
func (b *Backend) SetLinks(_ context.Context, want []xfrm.Link) error {
	for _, l := range want {
		if err := validLink(l); err != nil {
			return err
		}
	}
	b.setting.Lock()
	defer b.setting.Unlock()
	b.mu.RLock()
	old, closed := b.links, b.closed
	b.mu.RUnlock()
	if closed {
		return fmt.Errorf("set links: %w", errClosed)
	}
	var kept []*link
	for _, l := range old {
		if !l.dead.Load() && slices.ContainsFunc(want, l.is) {
			kept = append(kept, l)
			continue
		}
		b.shut(l)
	}
	errs := []error{b.keepLinks(kept, want)}
	for _, w := range want {
		if slices.ContainsFunc(kept, func(l *link) bool { return l.is(w) }) {
			continue
		}
		l, err := b.openLink(w)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		kept = append(kept, l)
	}
	b.mu.Lock()
	b.links = kept
	b.mu.Unlock()
	return errors.Join(errs...)
}

func validLink(l xfrm.Link) error {
	switch {
	case !xfrm.IsOurs(l.IfID):
		return fmt.Errorf("link %s: if_id %#x is not ours", l.Name, l.IfID)
	case l.Name == "" || len(l.Name) >= unix.IFNAMSIZ:
		return fmt.Errorf("link %q: a device's name has 1 to %d bytes", l.Name, unix.IFNAMSIZ-1)
	case l.MTU < 68 || l.MTU > packetMax: // RFC 791 §3.2
		return fmt.Errorf("link %s: an MTU of %d cannot be", l.Name, l.MTU)
	}
	return nil
}

// is tells that this device is the wanted one, perhaps but for its MTU.
func (l *link) is(want xfrm.Link) bool { return l.Name == want.Name && l.IfID == want.IfID }

// keepLinks makes devices that are there what they should be: up, where somebody
// took them down, and with their MTU.
func (b *Backend) keepLinks(links []*link, want []xfrm.Link) error {
	var errs []error
	for _, l := range links {
		errs = append(errs, b.setUp(l.Name))
		w := want[slices.IndexFunc(want, l.is)]
		if w.MTU == l.MTU {
			continue
		}
		if err := b.setMTU(w); err != nil {
			errs = append(errs, err)
			continue
		}
		b.mu.Lock()
		l.MTU = w.MTU
		b.mu.Unlock()
	}
	return errors.Join(errs...)
}

// openLink makes the device, brings it up and starts reading it.
func (b *Backend) openLink(want xfrm.Link) (*link, error) {
	dev, err := openTUN(want.Name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(b.setMTU(want), b.setUp(want.Name)); err != nil {
		_ = dev.Close()
		return nil, err
	}
	b.mu.Lock()
	l := &link{Link: want, gate: b.gateOf(want.IfID), dev: dev}
	b.mu.Unlock()
	l.gate.link.Store(l)
	l.reader.Go(func() { b.readLink(l) })
	return l, nil
}

// openTUN makes a TUN device. One that is there already belongs to somebody
// else, and is not taken over.
func openTUN(name string) (tun.Device, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s for link %s: %w; the tun module must be loaded and the device be there", path, name, err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_TUN_EXCL)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("make link %s: a device of that name is there already; remove it", name)
		}
		return nil, fmt.Errorf("make link %s: %w; it takes CAP_NET_ADMIN", name, err)
	}
	dev, _, err := tun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make link %s: %w", name, err)
	}
	return dev, nil
}

func (b *Backend) setMTU(l xfrm.Link) error {
	ifr, err := unix.NewIfreq(l.Name)
	if err != nil {
		return err
	}
	ifr.SetUint32(uint32(l.MTU))
	if err := unix.IoctlIfreq(b.sockets.control, unix.SIOCSIFMTU, ifr); err != nil {
		return fmt.Errorf("link %s: set the MTU to %d: %w", l.Name, l.MTU, err)
	}
	return nil
}

func (b *Backend) setUp(name string) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(b.sockets.control, unix.SIOCGIFFLAGS, ifr); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	ifr.SetUint16(ifr.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(b.sockets.control, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("bring link %s up: %w", name, err)
	}
	return nil
}

// shut closes a device and waits until it is gone: its name may be wanted
// again at once.
func (b *Backend) shut(l *link) {
	l.closing.Store(true)
	l.gate.link.CompareAndSwap(l, nil)
	_ = l.dev.Close()
	l.reader.Wait()
}

// lost notes that a device ended by itself, as by "ip link del". Lost makes the
// owner compare, and SetLinks closes what is left and makes it again.
func (b *Backend) lost(l *link) {
	l.dead.Store(true)
	l.gate.link.CompareAndSwap(l, nil)
	if !l.closing.Load() {
		b.events.emit(xfrm.Lost{})
	}
}
