// Package hostile attacks a twinspand that runs: what a stranger, somebody on
// the path, and a peer that has the key can send. It holds the place of the
// attacker on the network, which counts every byte in both directions; a
// forger, which speaks IKEv1 by hand and puts whatever it is told into an
// authentic message; and the cases, each a shape of attack with a name. It knows
// nothing of how the daemon is built, and judges it by what anybody can see.
package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/tests/netns"
)

// The ports and protocols of what goes over the wire.
const (
	portIKE  = 500
	portNATT = 4500
	protoUDP = 17
	protoESP = 50
)

// tally is what went to the victim and came from it, between it and one address
// and port: datagrams, and bytes without the headers of IP and UDP.
type tally struct{ datagrams, in, answers, out int }

func (t *tally) add(o tally) {
	t.datagrams += o.datagrams
	t.in += o.in
	t.answers += o.answers
	t.out += o.out
}

// wire is the attacker's place: the router before the victim. It can send from
// any address, and sees all that comes back.
type wire struct {
	raw   int
	tap   *os.File
	ended chan struct{}

	mu      sync.Mutex
	tallies map[netip.AddrPort]*tally
	inboxes map[netip.AddrPort]chan []byte
	broken  error
}

// openWire takes the place in a namespace, at its device to the victim.
func openWire(space *netns.Space, device string) (*wire, error) {
	w := &wire{
		raw: -1, ended: make(chan struct{}),
		tallies: map[netip.AddrPort]*tally{}, inboxes: map[netip.AddrPort]chan []byte{},
	}
	err := space.Do(func() (err error) {
		if w.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return os.NewSyscallError("socket", err)
		}
		w.tap, err = tap(device)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the attacker's place: %w", err), w.closeRaw())
	}
	go w.listen()
	return w, nil
}

// tap sees every frame of a device, in both directions.
func tap(device string) (*os.File, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	everything := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL)) // the network's order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(everything))
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: link.Index})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tap"), nil
}

func (w *wire) closeRaw() error {
	if w.raw < 0 {
		return nil
	}
	return unix.Close(w.raw)
}

// close ends the watch, and says if it has missed anything.
func (w *wire) close() error {
	err := errors.Join(w.tap.Close(), w.closeRaw())
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(err, w.broken)
}

// listen counts and delivers frames until the tap is closed.
func (w *wire) listen() {
	defer close(w.ended)
	raw, err := w.tap.SyscallConn()
	if err != nil {
		w.fail(err)
		return
	}
	buf := make([]byte, 1<<17)
	for {
		var n int
		var from unix.Sockaddr
		err := raw.Read(func(fd uintptr) bool {
			n, from, err = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(err, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return // closed
		case n > 0:
			w.saw(buf[:n], from)
		}
	}
}

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = errors.Join(w.broken, err)
}

// saw takes one frame: what we see going out goes to the victim.
func (w *wire) saw(frame []byte, from unix.Sockaddr) {
	link, ok := from.(*unix.SockaddrLinklayer)
	p, is := parse(frame)
	if !ok || !is {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if link.Pkttype == unix.PACKET_OUTGOING {
		w.of(p.src).add(tally{datagrams: 1, in: len(p.body)})
		return
	}
	w.of(p.dst).add(tally{answers: 1, out: len(p.body)})
	select {
	case w.inboxes[p.dst] <- append([]byte(nil), p.body...):
	default: // nobody waits for it
	}
}

func (w *wire) of(a netip.AddrPort) *tally {
	t := w.tallies[a]
	if t == nil {
		t = &tally{}
		w.tallies[a] = t
	}
	return t
}

// sum is what went between the victim and some addresses.
func (w *wire) sum(of func(netip.AddrPort) bool) (sum tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, t := range w.tallies {
		if of(a) {
			sum.add(*t)
		}
	}
	return sum
}

// inbox is where what the victim sends to an address and port arrives.
func (w *wire) inbox(at netip.AddrPort) chan []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inboxes[at] == nil {
		w.inboxes[at] = make(chan []byte, 64)
	}
	return w.inboxes[at]
}

// parcel is the UDP or ESP in a frame. ESP has no ports, and of a later
// fragment nothing but its bytes is known.
type parcel struct {
	src, dst netip.AddrPort
	body     []byte
}

// parse reads an Ethernet frame with IPv4 in it.
func parse(frame []byte) (parcel, bool) {
	const ethernet, header = 14, 20
	if len(frame) < ethernet+header || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return parcel{}, false
	}
	ip := frame[ethernet:]
	size, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if size < header || total < size || total > len(ip) {
		return parcel{}, false
	}
	p := parcel{
		src:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), 0),
		dst:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), 0),
		body: ip[size:total],
	}
	first := binary.BigEndian.Uint16(ip[6:])&0x1fff == 0
	if ip[9] == protoUDP && first && len(p.body) >= 8 {
		p.src = netip.AddrPortFrom(p.src.Addr(), binary.BigEndian.Uint16(p.body))
		p.dst = netip.AddrPortFrom(p.dst.Addr(), binary.BigEndian.Uint16(p.body[2:]))
		p.body = p.body[8:]
	}
	return p, ip[9] == protoUDP || ip[9] == protoESP
}

// send sends a datagram from any address. UDP goes without a checksum, which
// IPv4 allows.
func (w *wire) send(from, to netip.AddrPort, data []byte) error {
	udp := binary.BigEndian.AppendUint16(nil, from.Port())
	udp = binary.BigEndian.AppendUint16(udp, to.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(data)))
	udp = append(udp, 0, 0)
	return w.sendIP(protoUDP, from.Addr(), to.Addr(), append(udp, data...))
}

// sendIP sends a packet of any protocol; the kernel fills in the rest of its
// header. A full queue is waited for.
func (w *wire) sendIP(proto byte, from, to netip.Addr, body []byte) error {
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(body)))
	ip = append(append(ip, from.AsSlice()...), to.AsSlice()...)
	for {
		err := unix.Sendto(w.raw, append(ip, body...), 0, &unix.SockaddrInet4{Addr: to.As4()})
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			time.Sleep(time.Millisecond)
		case err != nil:
			return fmt.Errorf("send %d bytes from %v to %v: %w", len(body), from, to, err)
		default:
			return nil
		}
	}
}
