package crypt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

func TestExpandPhase1OfNIST(t *testing.T) {
	var file map[string]json.RawMessage
	readJSON(t, "testdata/kdf/nist_ike_kdf.json", &file)
	var v, v2 vector
	for name, into := range map[string]*vector{"ikev1_psk_sha1": &v, "ikev2_sha1": &v2} {
		if err := json.Unmarshal(file[name], into); err != nil {
			t.Fatal(name, err)
		}
	}
	var c ike.Cookies
	copy(c.Initiator[:], v.hex(t, "CKY_I"))
	copy(c.Responder[:], v.hex(t, "CKY_R"))
	k := ExpandPhase1(xfrm.SHA1, xfrm.NewSecret(v.hex(t, "pre-shared-key")), v.hex(t, "Ni"), v.hex(t, "Nr"), v.hex(t, "g^xy"), c)
	for name, got := range map[string][]byte{"SKEYID": k.ID, "SKEYID_d": k.D, "SKEYID_a": k.A, "SKEYID_e": k.E} {
		if want := v.hex(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s %x, want %x", name, got, want)
		}
	}
	// Of the IKEv2 sample the PRF's part: SKEYSEED = prf(Ni | Nr, g^ir).
	nonces := append(v2.hex(t, "Ni"), v2.hex(t, "Nr")...)
	if got, want := PRF(xfrm.SHA1, nonces, v2.hex(t, "g^ir")), v2.hex(t, "SKEYSEED"); !bytes.Equal(got, want) {
		t.Errorf("SKEYSEED %x, want %x", got, want)
	}
}

func TestCipherKeySizes(t *testing.T) {
	e := bytes.Repeat([]byte{7}, 20)
	k1 := PRF(xfrm.SHA1, e, []byte{0})
	k2 := PRF(xfrm.SHA1, e, k1)
	for size, want := range map[int][]byte{
		16: e[:16],
		20: e,
		24: append(bytes.Clone(k1), k2...)[:24],
		32: append(bytes.Clone(k1), k2...)[:32],
	} {
		got := CipherKey(xfrm.SHA1, e, size)
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, want %x", size, got, want)
		}
		clear(got)
		if e[0] != 7 {
			t.Fatalf("%d bytes: the key shares memory with SKEYID_e", size)
		}
	}
}

func TestKeyMatChains(t *testing.T) {
	d, ni, nr := []byte("d"), []byte("ni"), []byte("nr")
	seed := []byte("\x03\x00\x00\x01\x02ninr")
	k1 := PRF(xfrm.MD5, d, seed)
	k2 := PRF(xfrm.MD5, d, k1, seed)
	want := append(bytes.Clone(k1), k2...)
	for _, size := range []int{0, 1, 16, 17, 32} {
		if got := KeyMat(xfrm.MD5, d, nil, 3, 0x102, ni, nr, size); !bytes.Equal(got, want[:size]) {
			t.Errorf("%d bytes: %x, want %x", size, got, want[:size])
		}
	}
}

func TestPhase1KeysAreHiddenAndWiped(t *testing.T) {
	k := Phase1Keys{[]byte("skeyid"), []byte("skeyid_d"), []byte("skeyid_a"), []byte("skeyid_e")}
	encoded, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v %x %s", k, &k, k, []any{k}), string(encoded)} {
		if strings.Contains(s, "skey") || strings.Contains(s, fmt.Sprintf("%x", "skey")) || strings.Contains(s, "[115 107") {
			t.Errorf("keys in %q", s)
		}
	}
	k.Wipe()
	for _, b := range [][]byte{k.ID, k.D, k.A, k.E} {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("left after Wipe: %q", b)
		}
	}
}
