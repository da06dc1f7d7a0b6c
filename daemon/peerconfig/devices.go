package peerconfig

import (
	"fmt"
	"strings"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

// Device is a make of devices: what it can, and how its files are written.
type Device struct {
	Word      string // of the command line
	Title     string
	Tested    bool   // its files were loaded by the real thing; else they follow its manuals
	Interface string // what the one towards the internet is usually called, "" where none is named

	Phase1, Phase2       Abilities
	Aggressive           bool // it has aggressive mode
	Names                bool // it can call itself, and us, by a domain name
	IPv6                 bool // networks of IPv6 can be written
	Lifetime1, Lifetime2 Span // in seconds
	KB                   Span // lifetime of an IPsec SA in KB of 1024 bytes; zero: it has none
	DPD                  Span // of the delay in seconds; zero: it cannot be set
	NATT                 string

	nameLength int    // the longest name, 0 for any
	step       int    // lifetimes are multiples of so many seconds, 0 for any
	needsOwn   bool   // its own address must be known
	comment    string // begins one
	spell      spelling
	write      func(*draft)
}

// Abilities are the algorithms of one phase, each with the device's word for it.
// They are keyed by our words, groups by their number; a group of phase 2 is one
// of PFS, which every device can do without.
type Abilities struct {
	Ciphers, Hashes map[string]string
	Groups          map[ike.Group]string
}

// Span is the least and the most of something. The zero Span is nothing.
type Span struct {
	Least uint64 `json:"least"`
	Most  uint64 `json:"most"`
}

func (s Span) holds(n uint64) bool { return n >= s.Least && n <= s.Most }

func (s Span) nearest(n uint64) uint64 { return min(max(n, s.Least), s.Most) }

// any is as much as our configuration can say.
var anySpan = Span{1, 1<<32 - 1}

// Find is the device of a word, in any case.
func Find(word string) (Device, error) {
	var words []string
	for _, d := range Devices() {
		if strings.EqualFold(d.Word, word) {
			return d, nil
		}
		words = append(words, d.Word)
	}
	if near, ok := config.Nearest(word, words); ok {
		return Device{}, fmt.Errorf("there are no files for %q; did you mean %s?", word, near)
	}
	return Device{}, fmt.Errorf("there are no files for %q; name one of %s", word, strings.Join(words, ", "))
}

// List are the words of what a phase can, best first, as our configuration has
// them.
func (a Abilities) List() (ciphers, hashes, groups []string) {
	for _, c := range suite.Ciphers {
		if a.Ciphers[c.Word] != "" {
			ciphers = append(ciphers, c.Word)
		}
	}
	for _, h := range suite.Hashes {
		if a.Hashes[h.Word] != "" {
			hashes = append(hashes, h.Word)
		}
	}
	for _, g := range suite.Groups {
		if a.Groups[g.Group] != "" {
			groups = append(groups, g.Word)
		}
	}
	return ciphers, hashes, groups
}

// words pairs our words with the device's: "AES-CBC-256=aes256 ...".
func words(text string) map[string]string {
	m := map[string]string{}
	for _, w := range strings.Fields(text) {
		ours, theirs, _ := strings.Cut(w, "=")
		m[ours] = strings.ReplaceAll(theirs, "_", " ") // a device's word may be two
	}
	return m
}

// groups are those of a device that writes a prefix and the number.
func groups(prefix string, numbers ...ike.Group) map[ike.Group]string {
	m := map[ike.Group]string{}
	for _, n := range numbers {
		m[n] = fmt.Sprint(prefix, uint16(n))
	}
	return m
}

// modp are the groups in strongSwan's words.
var modp = map[ike.Group]string{
	1: "modp768", 2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096",
	19: "ecp256", 20: "ecp384", 21: "ecp521", 24: "modp2048s256", 31: "curve25519",
}

// The spellings that several devices have in common.
const (
	shortCiphers = "AES-CBC-256=aes256 AES-CBC-192=aes192 AES-CBC-128=aes128 3DES-CBC=3des DES-CBC=des"
	shortHashes  = "SHA-512=sha512 SHA-384=sha384 SHA-256=sha256 SHA1=sha1 MD5=md5"
)

// Devices are all makes that there are files for.
func Devices() []Device {
	swan := Abilities{words(shortCiphers), words(shortHashes), modp}
	libre := Abilities{words("AES-CBC-256=aes256 AES-CBC-192=aes192 AES-CBC-128=aes128 3DES-CBC=3des"), words(shortHashes),
		groups("dh", 5, 14, 15, 16, 19, 20, 21, 31)}
	ours := Abilities{identical(suite.Ciphers, func(c suite.Cipher) string { return c.Word }),
		identical(suite.Hashes, func(h suite.Hash) string { return h.Word }), groups("GROUP", 1, 2, 5, 14, 15, 16, 19, 20, 21, 24, 31)}
	day := Span{60, 86400}
	return []Device{
		{Word: "twinspan", Title: "Twinspan", Tested: true, Phase1: ours, Phase2: ours, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, KB: anySpan, DPD: anySpan, NATT: "as ours", needsOwn: true,
			comment: "#", spell: tomlKey, write: writeTwinspan},
		{Word: "strongswan", Title: "strongSwan 5.4 or later, swanctl.conf", Tested: true, Phase1: swan, Phase2: swan, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, KB: anySpan, DPD: anySpan, NATT: "always", comment: "#", spell: quotedOrHex, write: writeSwanctl},
		{Word: "strongswan-ipsec", Title: "strongSwan, ipsec.conf", Tested: true, Phase1: swan, Phase2: swan, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, KB: anySpan, DPD: anySpan, NATT: "always", comment: "#", spell: rawOrHex, write: writeStroke},
		{Word: "libreswan", Title: "Libreswan 4", Tested: true, Phase1: libre, Phase2: libre, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: day, Lifetime2: day, DPD: anySpan, NATT: "settable", comment: "#", spell: rawOrHex, write: writeLibreswan},
	}
}

// identical are words that are ours on both sides.
func identical[R any](rows []R, word func(R) string) map[string]string {
	m := map[string]string{}
	for _, r := range rows {
		m[word(r)] = word(r)
	}
	return m
}
