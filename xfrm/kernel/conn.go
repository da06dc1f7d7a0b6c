package kernel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// batchSize is how many requests go into one system call. Between 16 and 128
// the kernel's time per policy is the same.
const batchSize = 64

// patience bounds the wait for an answer. The kernel answers before sendto
// returns, so only a lost answer is waited for.
const patience = 5 * time.Second

// conn is a netlink socket for requests and their answers. It stays in the
// network namespace of the thread that opened it.
type conn struct {
	mu  sync.Mutex // held for the whole of one exchange
	fd  int
	seq uint32
	out []byte
	in  []byte
}

func dial() (*conn, error) {
	fd, err := socket()
	if err != nil {
		return nil, err
	}
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return nil, errors.Join(fmt.Errorf("netlink socket: %w", err), unix.Close(fd))
	}
	return &conn{fd: fd, in: make([]byte, 64<<10)}, nil
}

// socket opens a bound XFRM socket that tells the reasons of errors in words
// and does not send our requests back with them: they hold keys.
func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_XFRM)
	if err != nil {
		return -1, fmt.Errorf("XFRM netlink socket: %w", err)
	}
	for _, option := range []int{unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK} {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1))
	}
	err = errors.Join(err, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	if err != nil {
		return -1, errors.Join(fmt.Errorf("XFRM netlink socket: %w", err), unix.Close(fd))
	}
	return fd, nil
}

func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	fd := c.fd
	c.fd = -1
	return unix.Close(fd)
}

// request is one message to be sent.
type request struct {
	kind, flags uint16
	write       func(b []byte) []byte
}

// do sends the requests in order in one system call and waits for all answers.
// The result is the first refusal; those after a refused one are tried all the
// same, as the kernel does. The caller holds c.mu.
func (c *conn) do(requests ...request) error {
	var first error
	err := c.batch(context.Background(), len(requests), func(b []byte, i int, flags uint16, seq uint32) []byte {
		r := requests[i]
		return appendMessage(b, r.kind, r.flags|flags, seq, r.write)
	}, func(_ int, refusal error) {
		if first == nil {
			first = refusal
		}
	})
	if err != nil {
		return err
	}
	return first
}

// batch sends n messages, written by write one after the other, batchSize to a
// system call, and calls refused for each that the kernel did not take. Only
// the last of a datagram asks to be acknowledged: the kernel works through them
// in order and answers the refused ones unasked. The caller holds c.mu.
func (c *conn) batch(ctx context.Context, n int,
	write func(b []byte, i int, flags uint16, seq uint32) []byte, refused func(i int, refusal error),
) error {
	for first := 0; first < n; first += batchSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(first+batchSize, n)
		base := c.seq + 1
		for i := first; i < end; i++ {
			var flags uint16
			if i == end-1 {
				flags = unix.NLM_F_ACK
			}
			c.seq++
			c.out = write(c.out, i, flags, c.seq)
		}
		err := c.send()
		if err == nil {
			err = c.acks(base, func(offset int, refusal error) { refused(first+offset, refusal) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send sends c.out and wipes it: it may hold keys.
func (c *conn) send() error {
	err := unix.Sendto(c.fd, c.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	clear(c.out)
	c.out = c.out[:0]
	if err != nil {
		return fmt.Errorf("send to the kernel's XFRM: %w", err)
	}
	return nil
}

// acks reads answers up to the one to c.seq.
func (c *conn) acks(base uint32, refused func(offset int, refusal error)) error {
	return c.receive(func(m message) (bool, error) {
		offset := m.seq - base
		if m.kind != unix.NLMSG_ERROR || offset > c.seq-base {
			return false, nil // left over from an exchange that was given up
		}
		if err := answer(m); err != nil {
			refused(int(offset), err)
		}
		return m.seq == c.seq, nil
	})
}

// get sends one request and calls f with the message that answers it, whose
// body is valid during the call only. The caller holds c.mu.
func (c *conn) get(r request, f func(m message) error) error {
	c.seq++
	c.out = appendMessage(c.out, r.kind, r.flags, c.seq, r.write)
	if err := c.send(); err != nil {
		return err
	}
	return c.receive(func(m message) (bool, error) {
		switch {
		case m.seq != c.seq:
			return false, nil
		case m.kind == unix.NLMSG_ERROR:
			return true, answer(m)
		}
		return true, f(m)
	})
}

// errChanged says that a dump is not of one moment.
var errChanged = errors.New("the kernel's tables changed while they were read")

// dump asks for all objects of a kind and calls f for each.
func (c *conn) dump(ctx context.Context, kind uint16, write func(b []byte) []byte, f func(m message) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	c.out = appendMessage(c.out, kind, unix.NLM_F_DUMP, c.seq, write)
	if err := c.send(); err != nil {
		return err
	}
	var failed error // read to the end all the same: the rest would meet the next request
	changed := false
	err := c.receive(func(m message) (bool, error) {
		if m.seq != c.seq {
			return false, nil
		}
		changed = changed || m.flags&unix.NLM_F_DUMP_INTR != 0
		switch m.kind {
		case unix.NLMSG_DONE:
			return true, ending(m)
		case unix.NLMSG_ERROR:
			return true, answer(m)
		}
		if failed == nil {
			failed = errors.Join(ctx.Err(), f(m))
		}
		return false, nil
	})
	if err == nil && failed == nil && changed {
		return errChanged
	}
	return errors.Join(err, failed)
}

// ending reads the NLMSG_DONE of a dump, which tells when the dump broke off.
func ending(m message) error {
	if code := int32(uint32Of(m.body)); code < 0 {
		return &Refusal{Errno: unix.Errno(-code)}
	}
	return nil
}

// receive reads datagrams until f says that it is done, and wipes them: they
// may hold keys.
func (c *conn) receive(f func(m message) (done bool, err error)) error {
	for done := false; !done; {
		n, _, flags, from, err := unix.Recvmsg(c.fd, c.in, nil, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("no answer from the kernel's XFRM in %v", patience)
		case err != nil:
			return fmt.Errorf("receive from the kernel's XFRM: %w", err)
		case !fromKernel(from):
			continue
		case flags&unix.MSG_TRUNC != 0:
			err = fmt.Errorf("answer of the kernel's XFRM is longer than %d bytes", len(c.in))
		default:
			err = eachMessage(c.in[:n], func(m message) error {
				if done {
					return nil
				}
				var err error
				done, err = f(m)
				return err
			})
		}
		clear(c.in[:n])
		if err != nil {
			return err
		}
	}
	return nil
}

// fromKernel tells the kernel's messages from those of other processes.
func fromKernel(from unix.Sockaddr) bool {
	a, ok := from.(*unix.SockaddrNetlink)
	return ok && a.Pid == 0
}
