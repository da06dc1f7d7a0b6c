package crypt

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

func TestPRFKnownAnswers(t *testing.T) {
	for _, file := range []struct {
		path  string
		hash  xfrm.Hash
		cases int
	}{
		{"hmac/rfc-2202-md5.txt", xfrm.MD5, 7},
		{"hmac/rfc-2202-sha1.txt", xfrm.SHA1, 7},
		{"hmac/rfc-4231-sha256.txt", xfrm.SHA256, 6},
		{"hmac/rfc-4231-sha384.txt", xfrm.SHA384, 6},
		{"hmac/rfc-4231-sha512.txt", xfrm.SHA512, 6},
	} {
		all := vectors(t, file.path, "Len")
		if len(all) != file.cases {
			t.Errorf("%s: %d cases, want %d", file.path, len(all), file.cases)
		}
		for i, v := range all {
			key, msg, want := v.hex(t, "Key"), v.hex(t, "Msg"), v.hex(t, "MD")
			if got := PRF(file.hash, key, msg[:1], nil, msg[1:]); !bytes.Equal(got, want) {
				t.Errorf("%s case %d: %x, want %x", file.path, i+1, got, want)
			}
		}
	}
}

func TestSumOfABC(t *testing.T) {
	for h, want := range map[xfrm.Hash]string{ // RFC 1321 §A.5, FIPS 180-2
		xfrm.MD5:    "900150983cd24fb0d6963f7d28e17f72",
		xfrm.SHA1:   "a9993e364706816aba3e25717850c26c9cd0d89d",
		xfrm.SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		xfrm.SHA384: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		xfrm.SHA512: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	} {
		got := Sum(h, []byte("a"), nil, []byte("bc"))
		if hex.EncodeToString(got) != want || len(got) != h.Size() {
			t.Errorf("%v: %x, want %s", h, got, want)
		}
	}
}
