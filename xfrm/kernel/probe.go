package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// Features are what the running kernel can do.
type Features struct {
	ESP        bool     // takes ESP SAs between IPv4 addresses
	Interfaces bool     // takes XFRM interfaces
	Missing    []string // what is not there, and what to do, a sentence each
}

// Probe finds out by trying: it adds a test SA and a test interface in the
// calling thread's network namespace and removes them. They carry the if_id
// xfrm.Ours, which is reserved for that. The error is for when nothing can be
// said, as without CAP_NET_ADMIN.
func Probe() (Features, error) {
	var f Features
	c, err := dial()
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		f.Missing = append(f.Missing, "the kernel has no XFRM netlink (CONFIG_XFRM_USER): try modprobe xfrm_user")
	case err != nil:
		return f, fmt.Errorf("probe the kernel: %w", err)
	default:
		err = errors.Join(f.tryESP(c), c.close())
	}
	if err == nil {
		err = f.tryInterface()
	}
	if err != nil {
		return Features{}, fmt.Errorf("probe the kernel: %w", err)
	}
	return f, nil
}

// Addresses for documentation (RFC 5737, RFC 3849): no packet meets the test SA.
var (
	probe4 = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	probe6 = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
)

func (f *Features) tryESP(c *conn) error {
	missing4, err := tryESP(c, probe4, "CONFIG_INET_ESP", "esp4")
	if err != nil {
		return err
	}
	missing6, err := tryESP(c, probe6, "CONFIG_INET6_ESP", "esp6")
	if err != nil {
		return err
	}
	f.ESP = missing4 == ""
	for _, missing := range []string{missing4, missing6} {
		if missing != "" {
			f.Missing = append(f.Missing, missing)
		}
	}
	return nil
}

// tryESP says what is missing for ESP between addresses of dst's family.
func tryESP(c *conn, dst netip.Addr, option, module string) (missing string, err error) {
	suite := xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}
	sa := xfrm.SA{
		Dir: xfrm.Out, SPI: 0x54575453, Src: dst, Dst: dst, IfID: xfrm.Ours, Suite: suite,
		EncKey: xfrm.NewSecret(make([]byte, suite.EncKeySize())), AuthKey: xfrm.NewSecret(make([]byte, suite.Hash.Size())),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.do(newSA(sa, history{}))
	switch {
	case err == nil:
		return "", c.do(deleteSA(sa.ID()))
	case errors.Is(err, unix.EEXIST): // another probe is at it
		return "", nil
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return fmt.Sprintf("the kernel has no ESP for %s (%s): try modprobe %s", familyName(dst), option, module), nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOENT):
		return fmt.Sprintf("the kernel has no %v for ESP: try modprobe authenc cbc hmac aes sha1", suite), nil
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Sprintf("the kernel has no IPsec for %s: is the protocol switched off?", familyName(dst)), nil
	}
	return "", fmt.Errorf("add a test SA: %w", err)
}

func familyName(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func (f *Features) tryInterface() error {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink socket for links: %w", err)
	}
	defer links.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "twinprobe"
	link := &netlink.Xfrmi{LinkAttrs: attrs, Ifid: xfrm.Ours}
	err = links.LinkAdd(link)
	switch {
	case err == nil:
		f.Interfaces = true
		if err := links.LinkDel(link); err != nil {
			return fmt.Errorf("remove the test interface twinprobe: %w", err)
		}
	case errors.Is(err, unix.EEXIST): // another probe is at it
		f.Interfaces = true
	case errors.Is(err, unix.EOPNOTSUPP):
		f.Missing = append(f.Missing, "the kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE, Linux 4.19): try modprobe xfrm_interface")
	default:
		return fmt.Errorf("create a test interface: %w", err)
	}
	return nil
}
