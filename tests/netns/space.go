// Package netns builds networks out of Linux network namespaces, for the tests
// and for the demo: hosts, gateways and the "internet" between them, programs
// that run inside, pings, and captures of what passes. It knows nothing of
// IPsec beyond telling its packets from others, and nothing of Twinspan.
//
// A namespace has no name in the file system and no link to the machine's own
// network. It is held by a descriptor of this process, so it goes with the
// process, however that ends, and so do the programs that were started in it.
package netns

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	vns "github.com/vishvananda/netns"
)

// Space is one network namespace: a host of the test network.
type Space struct {
	Name string // for messages only

	handle vns.NsHandle
	inode  uint64
	links  *netlink.Handle
	wires  int // near ends so far
}

// New makes an empty namespace whose loopback device is up.
func New(name string) (*Space, error) {
	handle, err := fresh()
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	s := &Space{Name: name, handle: handle}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("namespace %s: %w", name, err), s.Close())
	}
	return s, nil
}

// fresh makes a namespace and comes back from it.
func fresh() (vns.NsHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := vns.Get()
	if err != nil {
		return vns.None(), err
	}
	defer home.Close()
	made, err := vns.New()
	if err != nil {
		return vns.None(), fmt.Errorf("unshare: %w", err)
	}
	comeBack(home)
	return made, nil
}

// comeBack returns the locked thread to the namespace it came from. A thread
// that cannot return must not go on: whatever it did next would happen in the
// wrong network.
func comeBack(home vns.NsHandle) {
	if err := vns.Set(home); err != nil {
		panic(fmt.Sprintf("netns: cannot return to the namespace of before: %v", err))
	}
}

func (s *Space) prepare() error {
	var err error
	if s.inode, err = inodeOf(fmt.Sprintf("/proc/self/fd/%d", int(s.handle))); err != nil {
		return err
	}
	if s.links, err = netlink.NewHandleAt(s.handle); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	lo, err := s.links.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return s.links.LinkSetUp(lo)
}

// Do calls fn with the calling thread inside the namespace. Sockets that fn
// opens belong to the namespace for good; goroutines that it starts do not.
func (s *Space) Do(fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := vns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := vns.Set(s.handle); err != nil {
		return fmt.Errorf("enter namespace %s: %w", s.Name, err)
	}
	defer comeBack(home)
	return fn()
}

// Sysctl sets a value below /proc/sys/net, such as "ipv4/ip_forward".
func (s *Space) Sysctl(key, value string) error {
	return s.Do(func() error {
		return os.WriteFile("/proc/sys/net/"+key, []byte(value), 0)
	})
}

// Forward makes the namespace a router for IPv4 and IPv6.
func (s *Space) Forward() error {
	if err := s.Sysctl("ipv4/ip_forward", "1"); err != nil {
		return err
	}
	if err := s.Sysctl("ipv6/conf/all/forwarding", "1"); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil // no IPv6 here
}

// Close lets the namespace go. Programs that still run in it were forgotten by
// whoever started them: they are killed, and the error names them.
func (s *Space) Close() error {
	err := s.reap()
	if s.links != nil {
		s.links.Close()
		s.links = nil
	}
	return errors.Join(err, s.handle.Close())
}
