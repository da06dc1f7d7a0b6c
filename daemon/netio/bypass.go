package netio

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Values of linux/xfrm.h.
const (
	xfrmPolicyIn    = 0
	xfrmPolicyOut   = 1
	xfrmPolicyAllow = 0
)

// userpolicy is struct xfrm_userpolicy_info of linux/xfrm.h.
type userpolicy struct {
	sel struct {
		daddr, saddr           [16]byte
		dport, dportMask       uint16
		sport, sportMask       uint16
		family                 uint16
		prefixlenD, prefixlenS uint8
		proto                  uint8
		ifindex                int32
		user                   uint32
	}
	lft      [8]uint64
	curlft   [4]uint64
	priority uint32
	index    uint32
	dir      uint8
	action   uint8
	flags    uint8
	share    uint8
}

// bypass gives the socket an IPsec policy of its own that lets all through, in
// and out. It goes before the policies of the host, so that no selector, however
// wide, catches the IKE that has to negotiate for it. A kernel without XFRM has
// no policies to go around.
func bypass(fd int, v6 bool) error {
	level, which, family := unix.IPPROTO_IP, unix.IP_XFRM_POLICY, uint16(unix.AF_INET)
	if v6 {
		level, which, family = unix.IPPROTO_IPV6, unix.IPV6_XFRM_POLICY, unix.AF_INET6
	}
	for _, dir := range []uint8{xfrmPolicyIn, xfrmPolicyOut} {
		p := userpolicy{dir: dir, action: xfrmPolicyAllow}
		p.sel.family = family
		raw := unsafe.Slice((*byte)(unsafe.Pointer(&p)), unsafe.Sizeof(p))
		err := unix.SetsockoptString(fd, level, which, string(raw))
		switch {
		case err == nil:
		case errors.Is(err, unix.ENOPROTOOPT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
			return nil // no XFRM in this kernel
		default:
			return fmt.Errorf("set the socket's IPsec bypass policy: %w", err)
		}
	}
	return nil
}
