package crypt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Phase1Keys are the keys of a phase 1 (RFC 2409 §5), each as long as the hash.
type Phase1Keys struct {
	ID []byte // SKEYID
	D  []byte // SKEYID_d, from which children get their keys
	A  []byte // SKEYID_a, which authenticates messages
	E  []byte // SKEYID_e, which encrypts them
}

// ExpandPhase1 derives the keys of a phase 1 with a pre-shared key. The nonces
// are the bodies of their payloads, gxy is as Exponent.Shared gives it: padded
// to the size of the modulus, or one handshake in 256 would fail.
func ExpandPhase1(h xfrm.Hash, psk xfrm.Secret, ni, nr, gxy []byte, c ike.Cookies) Phase1Keys {
	k := Phase1Keys{ID: PRF(h, psk.Open(), ni, nr)}
	next := func(before []byte, n byte) []byte {
		return PRF(h, k.ID, before, gxy, c.Initiator[:], c.Responder[:], []byte{n})
	}
	k.D = next(nil, 0)
	k.A = next(k.D, 1)
	k.E = next(k.A, 2)
	return k
}

// Wipe overwrites the keys.
func (k Phase1Keys) Wipe() {
	clear(k.ID)
	clear(k.D)
	clear(k.A)
	clear(k.E)
}

// Format keeps the keys out of what is printed.
func (k Phase1Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[phase 1 keys]") }

// MarshalText keeps the keys out of what is encoded.
func (k Phase1Keys) MarshalText() ([]byte, error) { return []byte("[phase 1 keys]"), nil }

// CipherKey takes the key of a phase 1 cipher, of size bytes, out of SKEYID_e.
// A SKEYID_e that is too short is stretched: K1 = prf(SKEYID_e, 0), Kn =
// prf(SKEYID_e, Kn-1) (RFC 2409 appendix B). Eight bytes are a DES key, which
// appendix B wants to be the first that is not weak.
func CipherKey(h xfrm.Hash, e []byte, size int) []byte {
	switch {
	case size == desKeySize:
		return desKey(h, e)
	case size <= len(e):
		return bytes.Clone(e[:size])
	}
	return stretch(h, e, size)
}

// desKey takes the first eight bytes of SKEYID_e that are not a weak key, then
// the next eight and so on, as the ipsec list understood appendix B. Peers that
// take a weak key all the same exist: they then fail once and negotiate again,
// with odds of 2^-52.
func desKey(h xfrm.Hash, e []byte) []byte {
	for s := e; len(s) >= desKeySize; s = s[desKeySize:] {
		if !isWeakDES(s[:desKeySize]) {
			return bytes.Clone(s[:desKeySize])
		}
	}
	return stretch(h, e, desKeySize)
}

func stretch(h xfrm.Hash, e []byte, size int) []byte {
	var all []byte
	for last := []byte{0}; len(all) < size; all = append(all, last...) {
		last = PRF(h, e, last)
	}
	return all[:size]
}

// KeyMat derives size bytes of keys for one ESP SA (RFC 2409 §5.5): first the
// cipher's, then the integrity algorithm's. d is SKEYID_d, gqm the shared secret
// of PFS or nil, proto the protocol of the SPI, spi the one that the receiver of
// the SA chose, ni and nr the nonces of the quick mode.
func KeyMat(h xfrm.Hash, d, gqm []byte, proto uint8, spi uint32, ni, nr []byte, size int) []byte {
	sa := binary.BigEndian.AppendUint32([]byte{proto}, spi)
	var all, last []byte
	for len(all) < size {
		last = PRF(h, d, last, gqm, sa, ni, nr)
		all = append(all, last...)
	}
	return all[:size]
}
