package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Kept is how many frames a Capture keeps; it counts all.
const Kept = 4096

// Tally is what a Capture counted.
type Tally struct {
	IKE, ESP, ESPinUDP, Keepalive, Clear, Other int
}

// Protected is the number of ESP packets, in whatever wrapping.
func (t Tally) Protected() int { return t.ESP + t.ESPinUDP }

func (t Tally) String() string {
	return fmt.Sprintf("%d ESP, %d ESP in UDP, %d IKE, %d clear text", t.ESP, t.ESPinUDP, t.IKE, t.Clear)
}

// Capture watches the frames that a namespace receives, on all its devices: on
// a router each frame that passes is seen once.
type Capture struct {
	space   *Space
	socket  *os.File
	private []netip.Prefix
	ended   chan struct{}

	mu     sync.Mutex
	tally  Tally
	frames []Frame
	err    error
}

// Capture starts to watch. Frames from or to one of the private networks count
// as clear text.
func (s *Space) Capture(private ...netip.Prefix) (*Capture, error) {
	c := &Capture{space: s, private: private, ended: make(chan struct{})}
	err := s.Do(func() (err error) {
		c.socket, err = packetSocket()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capture in namespace %s: %w", s.Name, err)
	}
	go c.read()
	return c, nil
}

// packetSocket sees every frame of the thread's namespace.
func packetSocket() (*os.File, error) {
	everything := int(htons(unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, everything)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20); err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "packets"), nil
}

// htons turns a number to the order of the network, which AF_PACKET wants.
func htons(n uint16) uint16 { return n<<8 | n>>8 }

// read takes frames as they come until Stop sets a deadline, and then what is
// still in the queue.
func (c *Capture) read() {
	defer close(c.ended)
	raw, err := c.socket.SyscallConn()
	if err != nil {
		c.fail(err)
		return
	}
	buf := make([]byte, 1<<16)
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		failed = c.drain(int(fd), buf)
		return failed != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = raw.Control(func(fd uintptr) { failed = c.drain(int(fd), buf) })
	}
	if err = errors.Join(err, failed); err != nil {
		c.fail(err)
	}
}

// drain reads until nothing is left.
func (c *Capture) drain(fd int, buf []byte) error {
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		link, ok := from.(*unix.SockaddrLinklayer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("recvfrom", err)
		case ok && link.Pkttype != unix.PACKET_OUTGOING:
			c.add(decode(buf[:n], c.private))
		}
	}
}

func (c *Capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, fmt.Errorf("capture in namespace %s: %w", c.space.Name, err))
}

func (c *Capture) add(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f.Class {
	case IKE:
		c.tally.IKE++
	case ESP:
		c.tally.ESP++
	case ESPinUDP:
		c.tally.ESPinUDP++
	case Keepalive:
		c.tally.Keepalive++
	case Clear:
		c.tally.Clear++
	default:
		c.tally.Other++
	}
	if len(c.frames) < Kept {
		c.frames = append(c.frames, f)
	}
}

// Tally is what was counted so far.
func (c *Capture) Tally() Tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally
}

// Frames are the first Kept frames of a class.
func (c *Capture) Frames(class Class) []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []Frame
	for _, f := range c.frames {
		if f.Class == class {
			found = append(found, f)
		}
	}
	return found
}

// Stop ends the capture and returns what it counted. An error says that it did
// not see everything.
func (c *Capture) Stop() (Tally, error) {
	if err := c.socket.SetReadDeadline(time.Now()); err != nil {
		return Tally{}, fmt.Errorf("capture in namespace %s: %w", c.space.Name, err)
	}
	<-c.ended
	dropped, err := c.dropped()
	err = errors.Join(err, c.socket.Close())
	c.mu.Lock()
	defer c.mu.Unlock()
	if dropped > 0 {
		err = errors.Join(err, fmt.Errorf("capture in namespace %s: %d frames came too fast to be seen", c.space.Name, dropped))
	}
	return c.tally, errors.Join(err, c.err)
}

// dropped is how many frames did not fit into the socket's queue.
func (c *Capture) dropped() (n uint32, err error) {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlled := raw.Control(func(fd uintptr) {
		var stats *unix.TpacketStats
		if stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			n = stats.Drops
		}
	})
	return n, errors.Join(err, controlled)
}
