package userspace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// Sizes of outer headers.
const (
	outer4    = 20
	outer6    = 40
	outerUDP  = 8
	packetMax = math.MaxUint16
)

// path is the way from one outer address to another, made ready for the system
// calls. It never changes; a new one takes its place.
type path struct {
	local, remote netip.AddrPort // ports 0 with plain ESP
	encap         bool
	room          int // the largest ESP packet that fits
	name          []byte
	control       []byte // source address and type of service
	tosAt         int    // where in control the type of service is
}

var errNoIPv6 = errors.New("this host has no IPv6 to send ESP with")

// pathOf makes the path of an SA for sending; of one for receiving only whether
// it can be is asked.
func (b *Backend) pathOf(sa xfrm.SA) (*path, error) {
	six := sa.Dst.Is6()
	if six && b.sockets.esp6 == nil {
		return nil, errNoIPv6
	}
	if sa.Dir == xfrm.In {
		return nil, nil
	}
	p := &path{
		local:  netip.AddrPortFrom(sa.Src, sa.Encap.SrcPort),
		remote: netip.AddrPortFrom(sa.Dst, sa.Encap.DstPort),
		encap:  sa.Encap != xfrm.Encap{},
	}
	if p.encap && b.wire == nil {
		return nil, fmt.Errorf("ESP in UDP from port %d: there is no socket for it", sa.Encap.SrcPort)
	}
	p.address()
	p.room = p.roomIn(b.sockets.mtu(sa.Dst))
	return p, nil
}

// through is the same path between other ports.
func (p *path) through(e xfrm.Encap) *path {
	next := *p
	next.local = netip.AddrPortFrom(p.local.Addr(), e.SrcPort)
	next.remote = netip.AddrPortFrom(p.remote.Addr(), e.DstPort)
	return &next
}

// roomIn is how much ESP fits an outer MTU.
func (p *path) roomIn(mtu int) int {
	if p.encap {
		mtu -= outerUDP
	}
	if p.remote.Addr().Is6() {
		return mtu - outer6
	}
	return mtu - outer4
}

// address writes what sendmmsg wants to know of a packet.
func (p *path) address() {
	src, dst := p.local.Addr(), p.remote.Addr()
	if dst.Is4() {
		p.name = binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
		p.name = append(append(p.name, 0, 0), dst.AsSlice()...)
		p.name = append(p.name, make([]byte, 8)...)
		own := src.As4()
		p.control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: own})
		p.control = appendControl(p.control, unix.IPPROTO_IP, unix.IP_TOS)
	} else {
		p.name = binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
		p.name = append(append(p.name, 0, 0, 0, 0, 0, 0), dst.AsSlice()...)
		p.name = append(p.name, 0, 0, 0, 0)
		p.control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: src.As16()})
		p.control = appendControl(p.control, unix.IPPROTO_IPV6, unix.IPV6_TCLASS)
	}
	p.tosAt = len(p.control) - (unix.CmsgSpace(4) - unix.CmsgLen(0))
}

// appendControl adds a control message whose value is an int, 0.
func appendControl(b []byte, level, kind int) []byte {
	b = binary.NativeEndian.AppendUint64(b, uint64(unix.CmsgLen(4)))
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(kind))
	return append(b, make([]byte, unix.CmsgSpace(4)-unix.CmsgLen(0))...)
}

// measurePaths reads the outer MTUs again: a route or a learned path MTU may
// have changed.
func (b *Backend) measurePaths() {
	var sending []*assoc
	b.mu.RLock()
	for _, a := range b.sas {
		if a.out != nil {
			sending = append(sending, a)
		}
	}
	b.mu.RUnlock()
	mtus := map[netip.Addr]int{}
	for _, a := range sending {
		a.measure(func(dst netip.Addr) int {
			if _, ok := mtus[dst]; !ok {
				mtus[dst] = b.sockets.mtu(dst)
			}
			return mtus[dst]
		})
	}
}

// measure takes what the outer MTU is now.
func (a *assoc) measure(mtu func(dst netip.Addr) int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := a.out.path.roomIn(mtu(a.out.path.remote.Addr()))
	if room == a.out.path.room {
		return
	}
	p := *a.out.path
	p.room = room
	a.out.take(&p)
}
