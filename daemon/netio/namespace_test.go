package netio

import (
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// in runs do on a thread inside ns. The thread is thrown away afterwards.
func in(t *testing.T, ns netns.NsHandle, do func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := netns.Set(ns)
		if err == nil {
			err = do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// namespace makes a network namespace with loopback up.
func namespace(t *testing.T) netns.NsHandle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	made := make(chan netns.NsHandle)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.New()
		failed <- err
		made <- ns
	}()
	ns, err := <-made, <-failed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	in(t, ns, func() error { return up("lo") })
	return ns
}

func up(name string, addresses ...string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		addr.Flags |= 0x02 // IFA_F_NODAD: no wait for the detection of duplicates
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(link)
}

// wire makes two namespaces with a cable: ours has two addresses of each family
// on one interface, the peer's has one.
func wire(t *testing.T) (ours, peer netns.NsHandle) {
	t.Helper()
	ours, peer = namespace(t), namespace(t)
	in(t, ours, func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(peer)}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		return up("eth0", "192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64", "2001:db8::2/64")
	})
	in(t, peer, func() error { return up("eth0", "192.0.2.9/24", "2001:db8::9/64") })
	return ours, peer
}

// zone is the number of eth0: its name would be looked up in the namespace of
// whatever thread does it.
func zone(t *testing.T, ns netns.NsHandle) string {
	t.Helper()
	var index int
	in(t, ns, func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			index = link.Attrs().Index
		}
		return err
	})
	return strconv.Itoa(index)
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
