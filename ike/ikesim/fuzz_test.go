package ikesim

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// FuzzEngine spoils live messages of a handshake and gives them to the end that
// they are meant for, ahead of the genuine ones. The input's first byte says at
// which datagram, the rest how: see spoil. Nothing panics, the responder never
// answers with more than it got, and once the attack is over the tunnel comes
// up.
func FuzzEngine(f *testing.F) {
	for n := range byte(nine) {
		f.Add([]byte{n, 0, 0, 1, 0xff})
		f.Add([]byte{n, 3, 0, 18, 5, 0, 0, 19, 1})
		f.Add([]byte{n, 0, 0, 16, 132, 0, 0, 34, 1, 0, 0, 35, 1}) // a fragment
		f.Add([]byte{n, 1, 0, 28, 13, 2, 0, 200, 0, 4, 0, 30, 4})
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) < 2 || len(input) > 256 {
			return
		}
		w := attacked(t, int(input[0])%nine+1, quickGroup, func(data []byte) [][]byte { return spoil(data, input[1:]) })
		w.Run(5 * time.Minute)
		w.WantUp(gz)
	})
}

// quickGroup makes both ends use the group that is computed fastest.
func quickGroup(a, b *ike.Peer) {
	for _, p := range []*ike.Peer{a, b} {
		p.Proposals = []ike.Proposal{{Cipher: FastIKE.Cipher, KeyBits: 128, Hash: FastIKE.Hash, Group: 31}}
	}
}

// spoil obeys a program of four-byte orders: verb, two bytes of place, value.
// After each fourth order the message goes out as it is then.
func spoil(data, program []byte) [][]byte {
	var out [][]byte
	b := slices.Clone(data)
	for i := 0; len(program) >= 4 && len(b) > 0; i, program = i+1, program[4:] {
		at, value := int(binary.BigEndian.Uint16(program[1:]))%len(b), program[3]
		switch program[0] % 6 {
		case 0:
			b[at] = value
		case 1:
			b[at] ^= value
		case 2:
			b = b[:at]
		case 3:
			b = slices.Insert(b, at, slices.Repeat([]byte{value}, int(value)%32)...)
		case 4:
			b = append(b, data[at%len(data):]...)
		case 5:
			b = slices.Concat(b[:at], b[min(at+int(value), len(b)):])
		}
		if len(b) >= 28 && program[0] < 128 {
			binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
		}
		if i%4 == 3 {
			out = append(out, slices.Clone(b))
		}
	}
	return append(out, b)
}
