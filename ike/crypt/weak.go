package crypt

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/twinspan/twinspan/xfrm"
)

const desKeySize = 8

// weakDES lists the four weak keys of DES, which undo themselves, and after them
// the twelve semi-weak ones, each beside the one that undoes it (RFC 2409
// appendix A). The test holds the list against DES, because printed lists differ.
var weakDES = [...]uint64{
	0x0101010101010101, 0xfefefefefefefefe, 0x1f1f1f1f0e0e0e0e, 0xe0e0e0e0f1f1f1f1,
	0x01fe01fe01fe01fe, 0xfe01fe01fe01fe01,
	0x1fe01fe00ef10ef1, 0xe01fe01ff10ef10e,
	0x01e001e001f101f1, 0xe001e001f101f101,
	0x1ffe1ffe0efe0efe, 0xfe1ffe1ffe0efe0e,
	0x011f011f010e010e, 0x1f011f010e010e01,
	0xe0fee0fef1fef1fe, 0xfee0fee0fef1fef1,
}

// noParity masks the parity bits, which DES ignores and derived keys do not set.
const noParity = 0xfefefefefefefefe

// isWeakDES looks at every row, so that the time says nothing about the key.
func isWeakDES(key []byte) bool {
	k := binary.BigEndian.Uint64(key) & noParity
	found := 0
	for _, w := range weakDES {
		d := k ^ w&noParity
		found |= subtle.ConstantTimeEq(int32(d>>32), 0) & subtle.ConstantTimeEq(int32(uint32(d)), 0)
	}
	return found == 1
}

// CheckKey refuses an ESP key of the right size that makes its cipher weak: a
// weak or semi-weak key of DES (RFC 2405 §5), and a 3DES key two neighbouring
// thirds of which are equal, which is DES again (RFC 2451 §2.3). Another quick
// mode gives other keys. By chance this is never met: the odds are 2^-52.
func CheckKey(c xfrm.Cipher, key []byte) error {
	switch {
	case c == xfrm.DESCBC && isWeakDES(key):
		return errors.New("DES key is weak (RFC 2405 §5); negotiate again")
	case c == xfrm.TripleDESCBC && (sameDES(key[:8], key[8:16]) || sameDES(key[8:16], key[16:24])):
		return errors.New("3DES key repeats a third, which is no more than DES (RFC 2451 §2.3); negotiate again")
	}
	return nil
}

func sameDES(a, b []byte) bool {
	d := (binary.BigEndian.Uint64(a) ^ binary.BigEndian.Uint64(b)) & noParity
	return d == 0
}
