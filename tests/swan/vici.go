package swan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The packets of vici, charon's control protocol.
const (
	request = iota
	response
	unknownCommand
	register
	unregister
	confirmed
	unknownEvent
	event
)

// maxPacket bounds what charon may send in one packet; vici's own bound.
const maxPacket = 512 * 1024

// vici is one connection to charon's control socket. It serves one call at a
// time.
type vici struct{ conn net.Conn }

func dialVici(ctx context.Context, socket string) (*vici, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("vici: %w", err)
	}
	return &vici{conn}, nil
}

func (v *vici) close() error { return v.conn.Close() }

// call sends a command and returns its answer. A command that streams events
// gives them to each.
func (v *vici) call(ctx context.Context, command string, args Section, stream string, each func(Section)) (Section, error) {
	stop := context.AfterFunc(ctx, func() { _ = v.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answer, err := v.exchange(command, args, stream, each)
	if err != nil {
		return answer, errors.Join(fmt.Errorf("vici: %s: %w", command, err), context.Cause(ctx))
	}
	return answer, nil
}

func (v *vici) exchange(command string, args Section, stream string, each func(Section)) (Section, error) {
	if stream != "" {
		if err := v.subscribe(register, stream); err != nil {
			return nil, err
		}
	}
	if err := v.write(args.encode(name([]byte{request}, command))); err != nil {
		return nil, err
	}
	answer, err := v.answer(each)
	if err == nil && stream != "" {
		err = v.subscribe(unregister, stream)
	}
	if err == nil && answer.Get("success") == "no" {
		err = errors.New(answer.Get("errmsg"))
	}
	return answer, err
}

// answer reads events until the response comes.
func (v *vici) answer(each func(Section)) (Section, error) {
	for {
		packet, err := v.read()
		if err != nil {
			return nil, err
		}
		switch r := (&reader{b: packet}); r.element() {
		case response:
			return decode(r.b)
		case event:
			r.name()
			s, err := decode(r.b)
			if err != nil {
				return nil, err
			}
			if each != nil {
				each(s)
			}
		default:
			return nil, fmt.Errorf("charon does not know it (packet %d)", packet[0])
		}
	}
}

// subscribe registers for an event, or ends that.
func (v *vici) subscribe(kind byte, stream string) error {
	if err := v.write(name([]byte{kind}, stream)); err != nil {
		return err
	}
	packet, err := v.read()
	if err == nil && packet[0] != confirmed {
		err = fmt.Errorf("event %s: charon answers with packet %d", stream, packet[0])
	}
	return err
}

func (v *vici) write(packet []byte) error {
	_, err := v.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...))
	return err
}

func (v *vici) read() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(v.conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n == 0 || n > maxPacket {
		return nil, fmt.Errorf("charon sends a packet of %d bytes", n)
	}
	packet := make([]byte, n)
	_, err := io.ReadFull(v.conn, packet)
	return packet, err
}
