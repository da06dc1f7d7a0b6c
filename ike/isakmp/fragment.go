package isakmp

import (
	"encoding/binary"
	"fmt"
)

// fragmentIsLast is the flag of the last fragment of a message.
const fragmentIsLast = 1

// Fragment is the body of a fragment payload: part of a message that is too
// large for a datagram. No RFC has it; it is how Cisco and Microsoft do it. The
// payload stands alone in its message, under the header of an exchange of phase 1.
type Fragment struct {
	ID     uint16 // of the message
	Number uint8  // from 1
	Last   bool
	Data   []byte
}

// ParseFragment reads the body of a fragment payload.
func ParseFragment(b []byte) (Fragment, error) {
	r := reader{b: b}
	f := Fragment{ID: r.u16(), Number: r.u8(), Last: r.u8()&fragmentIsLast != 0}
	if r.bad {
		return f, fmt.Errorf("fragment: %w", ErrTruncated)
	}
	if f.Number == 0 {
		return f, fmt.Errorf("fragment: %w: number 0", ErrMalformed)
	}
	f.Data = r.b
	return f, nil
}

// Append writes the body of a fragment payload.
func (f Fragment) Append(b []byte) []byte {
	flags := byte(0)
	if f.Last {
		flags = fragmentIsLast
	}
	b = binary.BigEndian.AppendUint16(b, f.ID)
	return append(append(b, f.Number, flags), f.Data...)
}
