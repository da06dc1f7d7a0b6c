package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// headerSize is the size of nlmsghdr.
const headerSize = 16

// message is one netlink message of a datagram; body aliases the datagram.
type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

// eachMessage calls f for every message of a datagram until f or the datagram
// fails.
func eachMessage(b []byte, f func(m message) error) error {
	for len(b) > 0 {
		r := reader{b: b}
		size := int(r.u32())
		m := message{kind: r.u16(), flags: r.u16(), seq: r.u32()}
		if size < headerSize || size > len(b) {
			return fmt.Errorf("netlink message of %d bytes in %d", size, len(b))
		}
		m.body = b[headerSize:size]
		if err := f(m); err != nil {
			return err
		}
		b = b[min(aligned(size), len(b)):]
	}
	return nil
}

// appendMessage writes a message whose body is appended by write.
func appendMessage(b []byte, kind, flags uint16, seq uint32, write func(b []byte) []byte) []byte {
	start := len(b)
	b = native.AppendUint32(b, 0)
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = native.AppendUint32(b, seq)
	b = native.AppendUint32(b, 0) // the kernel knows our port
	b = write(b)
	native.PutUint32(b[start:], uint32(len(b)-start))
	return appendZeros(b, aligned(len(b))-len(b))
}

// Refusal is the kernel's no to one request, with the reason that it gave in
// words, if any. It unwraps to the errno.
type Refusal struct {
	Errno  unix.Errno
	Reason string
}

func (r *Refusal) Error() string {
	if r.Reason == "" {
		return r.Errno.Error()
	}
	return r.Errno.Error() + ": " + r.Reason
}

func (r *Refusal) Unwrap() error { return r.Errno }

// answer reads an NLMSG_ERROR: nil for an acknowledgement, else a *Refusal.
func answer(m message) error {
	r := reader{b: m.body}
	code := int32(r.u32())
	requestSize := int(r.u32()) // begins the header of the request, which comes back
	r.skip(headerSize - 4)
	if !r.ok() {
		return errors.New("netlink answer that is cut short")
	}
	if code == 0 {
		return nil
	}
	refusal := &Refusal{Errno: unix.Errno(-code)}
	if m.flags&unix.NLM_F_CAPPED == 0 {
		r.skip(aligned(requestSize) - headerSize)
	}
	if m.flags&unix.NLM_F_ACK_TLVS != 0 && r.ok() {
		eachAttr(r.b, func(kind uint16, body []byte) {
			if kind == unix.NLMSGERR_ATTR_MSG {
				refusal.Reason = unix.ByteSliceToString(body)
			}
		})
	}
	return refusal
}
