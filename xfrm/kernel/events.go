package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// eventBuffer is how much the kernel keeps for us, in bytes: some 8000 events.
const eventBuffer = 8 << 20

// listener turns the kernel's notices into events.
type listener struct {
	events chan xfrm.Event
	file   *os.File
	asking *conn // for the owner of an SA, see moved
	done   chan struct{}
	once   sync.Once
	ended  sync.WaitGroup
}

func listen() (*listener, error) {
	fd, err := socket()
	if err != nil {
		return nil, err
	}
	if err := subscribe(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("listen to XFRM events: %w", err), unix.Close(fd))
	}
	asking, err := dial()
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	l := &listener{
		events: make(chan xfrm.Event, 256),
		file:   os.NewFile(uintptr(fd), "xfrm events"),
		asking: asking,
		done:   make(chan struct{}),
	}
	l.ended.Go(l.run)
	return l, nil
}

func subscribe(fd int) error {
	err := unix.SetNonblock(fd, true)
	// FORCE passes over the administrator's limit and needs CAP_NET_ADMIN.
	err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer))
	for _, group := range []int{groupAcquire, groupExpire, groupMapping} {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group))
	}
	return err
}

// close ends the events and waits for run.
func (l *listener) close() (err error) {
	l.once.Do(func() {
		close(l.done)
		err = l.file.Close()
		l.ended.Wait()
		err = errors.Join(err, l.asking.close())
	})
	return err
}

// run reads until the socket is closed. Whatever else goes wrong with reading,
// ENOBUFS first of all, means that events were lost, and is not an end.
func (l *listener) run() {
	defer close(l.events)
	buf := make([]byte, 64<<10)
	for {
		n, err := l.read(buf)
		select {
		case <-l.done:
			return
		default:
		}
		if err != nil {
			l.deliver(xfrm.Lost{})
			continue
		}
		err = eachMessage(buf[:n], func(m message) error {
			l.notice(m)
			return nil
		})
		if err != nil {
			l.deliver(xfrm.Lost{})
		}
	}
}

// read returns the size of the next datagram from the kernel, 0 for one of
// another process.
func (l *listener) read(buf []byte) (n int, err error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var from unix.Sockaddr
	closed := raw.Read(func(fd uintptr) bool {
		n, from, err = unix.Recvfrom(int(fd), buf, 0)
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	if closed != nil {
		return 0, closed
	}
	if err == nil && !fromKernel(from) {
		return 0, nil
	}
	return n, err
}

// deliver waits until somebody takes the event or the listener is closed.
func (l *listener) deliver(e xfrm.Event) {
	select {
	case l.events <- e:
	case <-l.done:
	}
}

// notice delivers what a message of the kernel tells, if it is of ours.
func (l *listener) notice(m message) {
	e, ok := decodeEvent(m)
	if !ok {
		return
	}
	if moved, is := e.(mapping); is {
		if !l.ours(moved.id) {
			return
		}
		e = moved.PeerMoved
	}
	l.deliver(e)
}

// ours asks the kernel for the owner of an SA: a mapping notice, alone of all,
// comes without the if_id.
func (l *listener) ours(id xfrm.SAID) bool {
	l.asking.mu.Lock()
	defer l.asking.mu.Unlock()
	ours := false
	err := l.asking.get(getSA(id), func(m message) error {
		h, whole := decodeSA(m.body)
		ours = whole && h.ours()
		return nil
	})
	return err == nil && ours
}

// mapping is a PeerMoved of an SA whose owner is not known yet.
type mapping struct {
	xfrm.PeerMoved
	id xfrm.SAID
}

// decodeEvent reads a notice. It returns false for what cannot be read, is of
// no interest, or is not of ours.
func decodeEvent(m message) (xfrm.Event, bool) {
	switch m.kind {
	case msgAcquire:
		return decodeAcquire(m.body)
	case msgExpire:
		return decodeExpire(m.body)
	case msgMapping:
		return decodeMapping(m.body)
	}
	return nil, false
}

// decodeAcquire reads an xfrm_user_acquire: its selector is the packet's, its
// template the policy's.
func decodeAcquire(body []byte) (xfrm.Event, bool) {
	r := reader{b: body}
	r.skip(24 + 16) // the ends of the tunnel
	packet, known := r.selector().hosts()
	r.skip(sizePolicyInfo + 4*4) // the policy, algorithms, number
	if !r.ok() || !known {
		return nil, false
	}
	e := xfrm.Acquire{Packet: packet}
	whole := eachAttr(r.b, func(kind uint16, body []byte) {
		switch kind {
		case attrTmpl:
			if len(body) >= sizeTmpl {
				_, _, e.ReqID = decodeTmpl(body)
			}
		case attrIfID:
			e.IfID = uint32Of(body)
		}
	})
	return e, whole && xfrm.IsOurs(e.IfID)
}

// decodeExpire reads an xfrm_user_expire.
func decodeExpire(body []byte) (xfrm.Event, bool) {
	r := reader{b: body}
	h := r.saInfo()
	hard := r.u8() != 0
	r.skip(7)
	if !r.ok() {
		return nil, false
	}
	whole := eachAttr(r.b, h.attribute)
	return xfrm.Expired{SPI: h.SPI, Dst: h.Dst, ReqID: h.ReqID, Hard: hard}, whole && h.Dst.IsValid() && h.ours()
}

// decodeMapping reads an xfrm_user_mapping.
func decodeMapping(body []byte) (xfrm.Event, bool) {
	r := reader{b: body}
	dst := r.addr()
	spi := r.spi()
	family := r.u16()
	proto := r.u8()
	r.skip(1)
	reqID := r.u32()
	r.skip(16) // the old address
	from := r.addr()
	r.skip(2) // the old port
	port := r.port()
	id := xfrm.SAID{SPI: spi, Dst: dst.in(family)}
	e := xfrm.PeerMoved{SPI: spi, ReqID: reqID, From: netip.AddrPortFrom(from.in(family), port)}
	return mapping{e, id}, r.ok() && id.Dst.IsValid() && proto == xfrm.ProtoESP
}
