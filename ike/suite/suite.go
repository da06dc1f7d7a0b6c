// Package suite is the one table of algorithms: the configuration's words, the
// wire's numbers in IKEv1 and IKEv2, and how strong each is. It knows no
// message and computes nothing.
package suite

import (
	"fmt"
	"strings"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Grade says how far an algorithm can be trusted (RFC 8221, 8247, 9395).
type Grade uint8

// The grades, worst first.
const (
	Broken Grade = iota + 1 // MUST NOT: can be broken in practice
	Weak                    // SHOULD NOT: too small a margin
	Good
)

func (g Grade) String() string {
	switch g {
	case Broken:
		return "broken"
	case Weak:
		return "weak"
	case Good:
		return "good"
	}
	return fmt.Sprintf("grade(%d)", uint8(g))
}

// Cipher is one row of the table of ciphers.
type Cipher struct {
	Word    string // of the configuration
	Cipher  xfrm.Cipher
	KeyBits int    // with AES, else 0
	Phase1  uint16 // IKEv1 encryption algorithm (RFC 2409 appendix A)
	ESP     uint8  // IKEv1 ESP transform id (RFC 2407 §4.4.4)
	V2      uint16 // IKEv2 transform type 1
	Grade   Grade
	Why     string // of a grade that is not Good
}

// Ciphers, strongest first.
var Ciphers = []Cipher{
	{"AES-CBC-256", xfrm.AESCBC, 256, 7, 12, 12, Good, ""},
	{"AES-CBC-192", xfrm.AESCBC, 192, 7, 12, 12, Good, ""},
	{"AES-CBC-128", xfrm.AESCBC, 128, 7, 12, 12, Good, ""},
	{"3DES-CBC", xfrm.TripleDESCBC, 0, 5, 3, 3, Weak, "64-bit blocks repeat after some gigabytes (Sweet32)"},
	{"DES-CBC", xfrm.DESCBC, 0, 1, 2, 2, Broken, "a 56-bit key is found by trying them all"},
}

// Hash is one row of the table of hashes.
type Hash struct {
	Word    string
	Hash    xfrm.Hash
	Phase1  uint16 // IKEv1 hash algorithm
	ESP     uint16 // IKEv1 ESP authentication algorithm
	V2PRF   uint16 // IKEv2 transform type 2
	V2Integ uint16 // IKEv2 transform type 3
	Grade   Grade
	Why     string
}

// Hashes, strongest first.
var Hashes = []Hash{
	{"SHA-512", xfrm.SHA512, 6, 7, 7, 14, Good, ""},
	{"SHA-384", xfrm.SHA384, 5, 6, 6, 13, Good, ""},
	{"SHA-256", xfrm.SHA256, 4, 5, 5, 12, Good, ""},
	{"SHA1", xfrm.SHA1, 2, 2, 2, 2, Good, ""}, // as HMAC it still holds (RFC 8221 §6)
	{"MD5", xfrm.MD5, 1, 1, 1, 1, Broken, "MD5 has collisions and must not be used any more"},
}

// Group is one row of the table of Diffie-Hellman groups.
type Group struct {
	Word   string
	Group  ike.Group
	Public int // size of a public value on the wire, in bytes
	Grade  Grade
	Why    string
}

// Groups by number.
var Groups = []Group{
	{"GROUP1", 1, 96, Broken, "768 bits have been broken"},
	{"GROUP2", 2, 128, Weak, "1024 bits are within reach of a large attacker (Logjam)"},
	{"GROUP5", 5, 192, Weak, "1536 bits are below today's margin"},
	{"GROUP14", 14, 256, Good, ""},
	{"GROUP15", 15, 384, Good, ""},
	{"GROUP16", 16, 512, Good, ""},
	{"GROUP19", 19, 64, Good, ""},
	{"GROUP20", 20, 96, Good, ""},
	{"GROUP21", 21, 132, Good, ""},
	{"GROUP24", 24, 256, Weak, "its parameters have no published origin (RFC 8247)"},
	{"GROUP31", 31, 32, Good, ""},
}

// spell folds what people write: case, "_" for "-", and the vendors' spellings.
func spell(word string) string {
	w := strings.ReplaceAll(strings.ToUpper(strings.TrimSpace(word)), "_", "-")
	switch {
	case strings.HasPrefix(w, "DH-GROUP"):
		return w[3:]
	case strings.HasPrefix(w, "SHA2-"):
		return "SHA-" + w[5:]
	}
	switch w {
	case "AES-128", "AES-192", "AES-256":
		return "AES-CBC-" + w[4:]
	case "AES128", "AES192", "AES256":
		return "AES-CBC-" + w[3:]
	case "3DES", "DES":
		return w + "-CBC"
	case "SHA", "SHA-1":
		return "SHA1"
	case "SHA256", "SHA384", "SHA512":
		return "SHA-" + w[3:]
	}
	return w
}

func find[R any](rows []R, what, text string, word func(R) string) (R, error) {
	want := spell(text)
	var known []string
	for _, r := range rows {
		if word(r) == want {
			return r, nil
		}
		known = append(known, word(r))
	}
	var none R
	return none, fmt.Errorf("unknown %s %q; write one of %s", what, text, strings.Join(known, ", "))
}

// ParseCipher reads the configuration's word for a cipher.
func ParseCipher(word string) (Cipher, error) {
	return find(Ciphers, "encryption algorithm", word, func(r Cipher) string { return r.Word })
}

// ParseHash reads the configuration's word for a hash.
func ParseHash(word string) (Hash, error) {
	return find(Hashes, "integrity algorithm", word, func(r Hash) string { return r.Word })
}

// ParseGroup reads the configuration's word for a Diffie-Hellman group.
func ParseGroup(word string) (Group, error) {
	return find(Groups, "DH group", word, func(r Group) string { return r.Word })
}

// CipherOf is the row of a cipher.
func CipherOf(c xfrm.Cipher, bits int) (Cipher, bool) {
	return row(Ciphers, func(r Cipher) bool { return r.Cipher == c && r.KeyBits == bits })
}

// CipherByPhase1 is the row of an IKEv1 phase 1 encryption algorithm. An AES
// without a key length has 128 bits.
func CipherByPhase1(id uint16, bits int) (Cipher, bool) {
	return row(Ciphers, func(r Cipher) bool { return r.Phase1 == id && r.has(bits) })
}

// CipherByESP is the row of an IKEv1 ESP transform. An AES without a key
// length has 128 bits.
func CipherByESP(id uint8, bits int) (Cipher, bool) {
	return row(Ciphers, func(r Cipher) bool { return r.ESP == id && r.has(bits) })
}

// NoKeyLength stands for a key length attribute that was not sent. A length of
// 0 that was sent is not the same: it must not be accepted.
const NoKeyLength = -1

// has tells whether the cipher has a key length attribute of that many bits. DES
// and 3DES have none (RFC 2409 appendix A), so one that was sent is refused.
func (r Cipher) has(bits int) bool {
	if bits == NoKeyLength {
		return r.KeyBits == 0 || r.KeyBits == 128
	}
	return bits != 0 && r.KeyBits == bits
}

// HashOf is the row of a hash.
func HashOf(h xfrm.Hash) (Hash, bool) { return row(Hashes, func(r Hash) bool { return r.Hash == h }) }

// HashByPhase1 is the row of an IKEv1 hash algorithm.
func HashByPhase1(id uint16) (Hash, bool) {
	return row(Hashes, func(r Hash) bool { return r.Phase1 == id })
}

// HashByESP is the row of an IKEv1 ESP authentication algorithm.
func HashByESP(id uint16) (Hash, bool) {
	return row(Hashes, func(r Hash) bool { return r.ESP == id })
}

// GroupOf is the row of a group.
func GroupOf(g ike.Group) (Group, bool) {
	return row(Groups, func(r Group) bool { return r.Group == g })
}

func row[R any](rows []R, is func(R) bool) (R, bool) {
	for _, r := range rows {
		if is(r) {
			return r, true
		}
	}
	var none R
	return none, false
}

// Words is a proposal in the configuration's words: "AES-CBC-256, SHA1,
// GROUP14".
func Words(p ike.Proposal) string {
	c, _ := CipherOf(p.Cipher, p.KeyBits)
	h, _ := HashOf(p.Hash)
	words := c.Word + ", " + h.Word
	if g, ok := GroupOf(p.Group); ok {
		words += ", " + g.Word
	}
	return words
}

// Doubt is what is wrong with one algorithm of a proposal.
type Doubt struct {
	Word  string
	Grade Grade
	Why   string
}
