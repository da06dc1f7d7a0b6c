package crypt

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

func TestCBCKnownAnswers(t *testing.T) {
	for _, file := range []struct {
		name   string
		cipher xfrm.Cipher
	}{
		{"CBCGFSbox128", xfrm.AESCBC}, {"CBCGFSbox192", xfrm.AESCBC}, {"CBCGFSbox256", xfrm.AESCBC},
		{"CBCVarTxt128", xfrm.AESCBC}, {"CBCVarTxt192", xfrm.AESCBC}, {"CBCVarTxt256", xfrm.AESCBC},
		{"CBCMMT128", xfrm.AESCBC},
		{"TCBCMMT1", xfrm.TripleDESCBC}, {"TCBCMMT2", xfrm.TripleDESCBC},
		{"TCBCsubtab", xfrm.TripleDESCBC}, {"TCBCvartext", xfrm.TripleDESCBC},
	} {
		t.Run(file.name, func(t *testing.T) {
			for _, v := range vectors(t, "cipher/"+file.name+".rsp", "COUNT") {
				one := cbcCase{file.cipher, cavpKey(t, v), v.hex(t, "IV"), v.hex(t, "PLAINTEXT"), v.hex(t, "CIPHERTEXT")}
				one.run(t)
				if _, single := v["KEYs"]; single { // a 3DES key of three equal ones is DES
					one.cipher, one.key = xfrm.DESCBC, one.key[:8]
					one.run(t)
				}
			}
		})
	}
}

// cavpKey puts together what the files call KEY, KEYs or KEY1 to KEY3.
func cavpKey(t *testing.T, v vector) []byte {
	if _, ok := v["KEYs"]; ok {
		return bytes.Repeat(v.hex(t, "KEYs"), 3)
	}
	if _, ok := v["KEY1"]; ok {
		return append(append(v.hex(t, "KEY1"), v.hex(t, "KEY2")...), v.hex(t, "KEY3")...)
	}
	return v.hex(t, "KEY")
}

func TestCBCOfESPPackets(t *testing.T) {
	var file struct {
		Cases []struct{ Key, IV, Plaintext, Ciphertext string }
	}
	readJSON(t, "testdata/cipher/rfc3602_esp.json", &file)
	if len(file.Cases) != 2 {
		t.Fatalf("%d cases, want 2", len(file.Cases))
	}
	for _, c := range file.Cases {
		cbcCase{xfrm.AESCBC, unhex(t, c.Key), unhex(t, c.IV), unhex(t, c.Plaintext), unhex(t, c.Ciphertext)}.run(t)
	}
}

type cbcCase struct {
	cipher                 xfrm.Cipher
	key, iv, clear, hidden []byte
}

// run goes both ways, once into another slice and once in place.
func (c cbcCase) run(t *testing.T) {
	t.Helper()
	cbc, err := NewCBC(c.cipher, c.key)
	if err != nil {
		t.Fatal(err)
	}
	if cbc.BlockSize() != c.cipher.BlockSize() {
		t.Errorf("%v: blocks of %d bytes, want %d", c.cipher, cbc.BlockSize(), c.cipher.BlockSize())
	}
	iv, buf := bytes.Clone(c.iv), make([]byte, len(c.clear))
	cbc.Encrypt(iv, buf, c.clear)
	if !bytes.Equal(buf, c.hidden) {
		t.Errorf("%v key %x: encrypts to %x, want %x", c.cipher, c.key, buf, c.hidden)
	}
	cbc.Decrypt(iv, buf, buf)
	if !bytes.Equal(buf, c.clear) {
		t.Errorf("%v key %x: decrypts to %x, want %x", c.cipher, c.key, buf, c.clear)
	}
	if !bytes.Equal(iv, c.iv) {
		t.Errorf("%v: the IV was changed", c.cipher)
	}
}

func TestNewCBCRefusesKeysOfAnotherSize(t *testing.T) {
	for _, c := range []struct {
		cipher xfrm.Cipher
		size   int
		want   string
	}{
		{xfrm.DESCBC, 7, "des"}, {xfrm.DESCBC, 24, "des"},
		{xfrm.TripleDESCBC, 16, "3des"}, {xfrm.TripleDESCBC, 0, "3des"},
		{xfrm.AESCBC, 0, "aes"}, {xfrm.AESCBC, 20, "aes"}, {xfrm.AESCBC, 64, "aes"},
		{0, 16, "no such cipher"},
	} {
		_, err := NewCBC(c.cipher, make([]byte, c.size))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v with %d bytes: error %v, want one with %q", c.cipher, c.size, err, c.want)
		}
	}
}
