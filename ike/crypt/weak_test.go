package crypt

import (
	"bytes"
	"crypto/des"
	"encoding/binary"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

// A weak key undoes itself, a semi-weak one is undone by its partner, which is
// the row beside it: the table is held against DES itself.
func TestWeakKeysUndoEachOther(t *testing.T) {
	for i, k := range weakDES {
		partner := k
		if i >= 4 {
			partner = weakDES[i^1]
		}
		a, b := desBlock(t, k), desBlock(t, partner)
		text := []byte("any text")
		a.Encrypt(text, text)
		b.Encrypt(text, text)
		if string(text) != "any text" {
			t.Errorf("%016x then %016x is not the identity", k, partner)
		}
	}
}

func desBlock(t *testing.T, key uint64) interface{ Encrypt(dst, src []byte) } {
	t.Helper()
	b, err := des.NewCipher(binary.BigEndian.AppendUint64(nil, key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCheckKey(t *testing.T) {
	const one, two, weak = "\x12\x34\x56\x78\x9a\xbc\xde\xf0", "\x22\x34\x56\x78\x9a\xbc\xde\xf0", "\x01\xfe\x01\xfe\x01\xfe\x01\xfe"
	const oneOtherParity = "\x13\x35\x57\x79\x9b\xbd\xdf\xf1"
	for _, c := range []struct {
		name   string
		cipher xfrm.Cipher
		key    string
		ok     bool
	}{
		{"DES", xfrm.DESCBC, one, true},
		{"semi-weak DES", xfrm.DESCBC, weak, false},
		{"semi-weak DES with other parity", xfrm.DESCBC, "\x00\xff\x00\xff\x00\xff\x00\xff", false},
		{"DES with one bit more than a weak key", xfrm.DESCBC, "\x01\xfe\x01\xfe\x01\xfe\x01\xfa", true},
		{"3DES", xfrm.TripleDESCBC, one + two + one, true},
		{"3DES with a weak third", xfrm.TripleDESCBC, weak + one + two, true},
		{"3DES, first and second equal", xfrm.TripleDESCBC, one + one + two, false},
		{"3DES, second and third equal", xfrm.TripleDESCBC, two + one + one, false},
		{"3DES, equal but for parity", xfrm.TripleDESCBC, one + oneOtherParity + two, false},
		{"AES", xfrm.AESCBC, weak + weak, true},
	} {
		if err := CheckKey(c.cipher, []byte(c.key)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDESKeyPassesOverWeakOnes(t *testing.T) {
	weak := bytes.Repeat([]byte{0xfe}, 8)
	strong := []byte("a strong")
	for _, c := range []struct {
		name string
		e    []byte
		want []byte
	}{
		{"the first is strong", append(bytes.Clone(strong), weak...), strong},
		{"the second is", append(bytes.Clone(weak), strong...), strong},
		{"none is", append(bytes.Clone(weak), weak...), PRF(xfrm.MD5, append(bytes.Clone(weak), weak...), []byte{0})[:8]},
	} {
		if got := CipherKey(xfrm.MD5, c.e, 8); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", c.name, got, c.want)
		}
	}
}
