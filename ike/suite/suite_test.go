package suite

import (
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// The numbers of the wire, written down a second time: IANA's registries
// "Internet Key Exchange (IKE) Attributes", "Magic Numbers for ISAKMP Protocol"
// and "IKEv2 Parameters".
func TestWireNumbers(t *testing.T) {
	for word, want := range map[string]struct {
		phase1 uint16
		esp    uint8
		v2     uint16
		bytes  int // of a key
	}{
		"DES-CBC": {1, 2, 2, 8}, "3DES-CBC": {5, 3, 3, 24},
		"AES-CBC-128": {7, 12, 12, 16}, "AES-CBC-192": {7, 12, 12, 24}, "AES-CBC-256": {7, 12, 12, 32},
	} {
		r, err := ParseCipher(word)
		if err != nil || r.Phase1 != want.phase1 || r.ESP != want.esp || r.V2 != want.v2 || r.Cipher.KeySize(r.KeyBits) != want.bytes {
			t.Errorf("%s: %+v, %v", word, r, err)
		}
	}
	for word, want := range map[string]struct{ phase1, esp, prf, integ uint16 }{
		"MD5": {1, 1, 1, 1}, "SHA1": {2, 2, 2, 2},
		"SHA-256": {4, 5, 5, 12}, "SHA-384": {5, 6, 6, 13}, "SHA-512": {6, 7, 7, 14},
	} {
		r, err := ParseHash(word)
		if err != nil || r.Phase1 != want.phase1 || r.ESP != want.esp || r.V2PRF != want.prf || r.V2Integ != want.integ {
			t.Errorf("%s: %+v, %v", word, r, err)
		}
	}
	for word, want := range map[string]Group{
		"GROUP1": {Group: 1, Public: 768 / 8}, "GROUP2": {Group: 2, Public: 1024 / 8}, "GROUP5": {Group: 5, Public: 1536 / 8},
		"GROUP14": {Group: 14, Public: 2048 / 8}, "GROUP15": {Group: 15, Public: 3072 / 8}, "GROUP16": {Group: 16, Public: 4096 / 8},
		"GROUP19": {Group: 19, Public: 2 * 32}, "GROUP20": {Group: 20, Public: 2 * 48}, "GROUP21": {Group: 21, Public: 2 * 66},
		"GROUP24": {Group: 24, Public: 2048 / 8}, "GROUP31": {Group: 31, Public: 32},
	} {
		r, err := ParseGroup(word)
		if err != nil || r.Group != want.Group || r.Public != want.Public {
			t.Errorf("%s: %+v, %v", word, r, err)
		}
	}
}

func TestEveryCipherComesBack(t *testing.T) {
	for _, r := range Ciphers {
		sent := r.KeyBits
		if sent == 0 {
			sent = NoKeyLength // DES and 3DES have no such attribute
		}
		parsed, err := ParseCipher(r.Word)
		phase1, ok1 := CipherByPhase1(r.Phase1, sent)
		esp, ok2 := CipherByESP(r.ESP, sent)
		of, ok3 := CipherOf(r.Cipher, r.KeyBits)
		if err != nil || !ok1 || !ok2 || !ok3 || parsed != r || phase1 != r || esp != r || of != r {
			t.Errorf("%s comes back as %v, %v, %v, %v; %v", r.Word, parsed, phase1, esp, of, err)
		}
	}
}

func TestEveryHashComesBack(t *testing.T) {
	for _, r := range Hashes {
		parsed, err := ParseHash(r.Word)
		phase1, ok1 := HashByPhase1(r.Phase1)
		esp, ok2 := HashByESP(r.ESP)
		of, ok3 := HashOf(r.Hash)
		if err != nil || !ok1 || !ok2 || !ok3 || parsed != r || phase1 != r || esp != r || of != r {
			t.Errorf("%s comes back as %v, %v, %v, %v; %v", r.Word, parsed, phase1, esp, of, err)
		}
	}
}

func TestEveryGroupComesBack(t *testing.T) {
	for _, r := range Groups {
		parsed, err := ParseGroup(r.Word)
		of, ok := GroupOf(r.Group)
		if err != nil || !ok || parsed != r || of != r {
			t.Errorf("%s comes back as %v, %v; %v", r.Word, parsed, of, err)
		}
	}
}

func TestKeyLengthAttribute(t *testing.T) {
	const des, tripleDES, aes = 1, 5, 7
	for _, c := range []struct {
		name string
		id   uint16
		bits int
		want string // "" is refused
	}{
		{"AES without one has 128 bits", aes, NoKeyLength, "AES-CBC-128"},
		{"AES with 0", aes, 0, ""},
		{"AES with 192", aes, 192, "AES-CBC-192"},
		{"AES with bytes for bits", aes, 32, ""},
		{"AES with 512", aes, 512, ""},
		{"AES with a negative one", aes, -2, ""},
		{"DES without one", des, NoKeyLength, "DES-CBC"},
		{"DES with 0", des, 0, ""},
		{"DES with 64", des, 64, ""},
		{"3DES without one", tripleDES, NoKeyLength, "3DES-CBC"},
		{"3DES with 0", tripleDES, 0, ""},
		{"3DES with 192", tripleDES, 192, ""},
		{"Blowfish", 3, 128, ""},
		{"no cipher", 0, NoKeyLength, ""},
	} {
		phase1, ok1 := CipherByPhase1(c.id, c.bits)
		if ok1 != (c.want != "") || phase1.Word != c.want {
			t.Errorf("phase 1, %s: %q", c.name, phase1.Word)
		}
		espID := map[uint16]uint8{des: 2, tripleDES: 3, aes: 12}[c.id]
		esp, ok2 := CipherByESP(espID, c.bits)
		if ok2 != (c.want != "") || esp.Word != c.want {
			t.Errorf("ESP, %s: %q", c.name, esp.Word)
		}
	}
}

func TestNumbersThatNobodyHas(t *testing.T) {
	for _, id := range []uint16{0, 3, 7, 65535} { // 3 is Tiger
		if r, ok := HashByPhase1(id); ok {
			t.Errorf("phase 1 hash %d is %s", id, r.Word)
		}
	}
	for _, id := range []uint16{0, 3, 4, 8, 251} { // DES-MAC, KPDK
		if r, ok := HashByESP(id); ok {
			t.Errorf("ESP authentication %d is %s", id, r.Word)
		}
	}
	for _, g := range []ike.Group{0, 3, 17, 22, 23, 65535} {
		if r, ok := GroupOf(g); ok {
			t.Errorf("%v is %s", g, r.Word)
		}
	}
	if r, ok := CipherByESP(11, NoKeyLength); ok {
		t.Errorf("ESP NULL is %s", r.Word)
	}
}

func TestSpellings(t *testing.T) {
	for written, want := range map[string]string{
		"aes-cbc-256": "AES-CBC-256", " AES_CBC_192 ": "AES-CBC-192", "AES-128": "AES-CBC-128", "aes256": "AES-CBC-256",
		"3des": "3DES-CBC", "3des_cbc": "3DES-CBC", "DES": "DES-CBC", "des-cbc": "DES-CBC",
	} {
		if r, err := ParseCipher(written); err != nil || r.Word != want {
			t.Errorf("%q is %q, %v; want %s", written, r.Word, err, want)
		}
	}
	for written, want := range map[string]string{
		"md5": "MD5", "sha": "SHA1", "SHA-1": "SHA1", "sha1": "SHA1", "sha256": "SHA-256", "SHA2-256": "SHA-256",
		"sha2_384": "SHA-384", "SHA_512": "SHA-512", "sha-512": "SHA-512",
	} {
		if r, err := ParseHash(written); err != nil || r.Word != want {
			t.Errorf("%q is %q, %v; want %s", written, r.Word, err, want)
		}
	}
	for written, want := range map[string]string{"group14": "GROUP14", "DH-GROUP14": "GROUP14", "dh_group2": "GROUP2", "Group31": "GROUP31"} {
		if r, err := ParseGroup(written); err != nil || r.Word != want {
			t.Errorf("%q is %q, %v; want %s", written, r.Word, err, want)
		}
	}
}

// An unknown word is answered with all that may be written instead.
func TestUnknownWords(t *testing.T) {
	_, cipher := ParseCipher("AES-GCM")
	_, hash := ParseHash("sha3")
	_, group := ParseGroup("GROUP1O")
	_, empty := ParseGroup("")
	for want, err := range map[string]error{
		`unknown encryption algorithm "AES-GCM"; write one of AES-CBC-256, AES-CBC-192, AES-CBC-128, 3DES-CBC, DES-CBC`:                           cipher,
		`unknown integrity algorithm "sha3"; write one of SHA-512, SHA-384, SHA-256, SHA1, MD5`:                                                   hash,
		`unknown DH group "GROUP1O"; write one of GROUP1, GROUP2, GROUP5, GROUP14, GROUP15, GROUP16, GROUP19, GROUP20, GROUP21, GROUP24, GROUP31`: group,
		`unknown DH group ""; write one of GROUP1, GROUP2, GROUP5, GROUP14, GROUP15, GROUP16, GROUP19, GROUP20, GROUP21, GROUP24, GROUP31`:        empty,
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// The grades are those of RFC 8247 (IKE) and RFC 8221 (ESP): MUST NOT is broken,
// SHOULD NOT is weak. Every doubt says why.
func TestGrades(t *testing.T) {
	want := map[string]Grade{
		"DES-CBC": Broken, "MD5": Broken, "GROUP1": Broken,
		"3DES-CBC": Weak, "GROUP2": Weak, "GROUP5": Weak, "GROUP24": Weak,
	}
	check := func(word string, g Grade, why string) {
		expected, doubtful := want[word]
		if !doubtful {
			expected = Good
		}
		if g != expected || (why != "") != doubtful {
			t.Errorf("%s is %v (%q), want %v", word, g, why, expected)
		}
	}
	for _, r := range Ciphers {
		check(r.Word, r.Grade, r.Why)
	}
	for _, r := range Hashes {
		check(r.Word, r.Grade, r.Why)
	}
	for _, r := range Groups {
		check(r.Word, r.Grade, r.Why)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		proposal ike.Proposal
		words    string
	}{
		{ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA1, Group: 14}, "AES-CBC-256, SHA1, GROUP14"},
		{ike.Proposal{Cipher: xfrm.DESCBC, Hash: xfrm.MD5, Group: 2}, "DES-CBC, MD5, GROUP2"},
		{ike.Proposal{Cipher: xfrm.TripleDESCBC, Hash: xfrm.SHA256}, "3DES-CBC, SHA-256"},
	} {
		if got := Words(c.proposal); got != c.words {
			t.Errorf("%v: words %q, want %q", c.proposal, got, c.words)
		}
	}
}

func TestGradeStrings(t *testing.T) {
	for g, want := range map[Grade]string{Broken: "broken", Weak: "weak", Good: "good", 0: "grade(0)"} {
		if g.String() != want {
			t.Errorf("%d is %q, want %q", uint8(g), g, want)
		}
	}
}
