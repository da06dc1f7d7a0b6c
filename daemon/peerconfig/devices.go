package peerconfig

import (
	"fmt"
	"slices"
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

// modp are the groups that strongSwan and RouterOS call by their size.
var modp = map[ike.Group]string{
	1: "modp768", 2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096",
	19: "ecp256", 20: "ecp384", 21: "ecp521", 24: "modp2048s256", 31: "curve25519",
}

// only takes some of a table.
func only(all map[ike.Group]string, numbers ...ike.Group) map[ike.Group]string {
	m := map[ike.Group]string{}
	for n, word := range all {
		if slices.Contains(numbers, n) {
			m[n] = word
		}
	}
	return m
}

// The spellings that several devices have in common.
const (
	shortCiphers = "AES-CBC-256=aes256 AES-CBC-192=aes192 AES-CBC-128=aes128 3DES-CBC=3des DES-CBC=des"
	shortHashes  = "SHA-512=sha512 SHA-384=sha384 SHA-256=sha256 SHA1=sha1 MD5=md5"
)

// Devices are all makes that there are files for.
func Devices() []Device {
	return slices.Concat(openDevices(), vendorDevices())
}

// openDevices are those that our tests run, and VyOS, pfSense, which are made
// of strongSwan.
func openDevices() []Device {
	swan := Abilities{words(shortCiphers), words(shortHashes), modp}
	libre := Abilities{words("AES-CBC-256=aes256 AES-CBC-192=aes192 AES-CBC-128=aes128 3DES-CBC=3des"), words(shortHashes),
		groups("dh", 5, 14, 15, 16, 19, 20, 21, 31)}
	ours := Abilities{identical(suite.Ciphers, func(c suite.Cipher) string { return c.Word }),
		identical(suite.Hashes, func(h suite.Hash) string { return h.Word }), groups("GROUP", 1, 2, 5, 14, 15, 16, 19, 20, 21, 24, 31)}
	vyos := Abilities{words("AES-CBC-256=aes256 AES-CBC-192=aes192 AES-CBC-128=aes128 3DES-CBC=3des"), words(shortHashes),
		groups("", 1, 2, 5, 14, 15, 16, 19, 20, 21, 24, 31)}
	sense := Abilities{words("AES-CBC-256=AES_256_bits AES-CBC-192=AES_192_bits AES-CBC-128=AES_128_bits"),
		words("SHA-512=SHA512 SHA-384=SHA384 SHA-256=SHA256 SHA1=SHA1"), groups("", 2, 5, 14, 15, 16, 19, 20, 21, 24, 31)}
	day := Span{60, 86400}
	return []Device{
		{Word: "twinspan", Title: "Twinspan", Tested: true, Phase1: ours, Phase2: ours, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, KB: anySpan, DPD: anySpan, NATT: "as ours", needsOwn: true,
			comment: "#", spell: tomlKey, write: writeTwinspan},
		{Word: "strongswan", Title: "strongSwan 5.4 or later, swanctl.conf", Tested: true, Phase1: swan, Phase2: swan, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, KB: anySpan, DPD: anySpan, NATT: "always", comment: "#", spell: quotedOrHex, write: writeSwanctl},
		{Word: "strongswan-ipsec", Title: "strongSwan, ipsec.conf", Phase1: swan, Phase2: swan, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, KB: anySpan, DPD: anySpan, NATT: "always", comment: "#", spell: rawOrHex, write: writeStroke},
		{Word: "libreswan", Title: "Libreswan 4", Tested: true, Phase1: libre, Phase2: libre, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: day, Lifetime2: day, DPD: anySpan, NATT: "settable", comment: "#", spell: rawOrHex, write: writeLibreswan},
		{Word: "vyos", Title: "VyOS 1.4", Phase1: vyos, Phase2: vyos, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: Span{1, 86400}, Lifetime2: Span{30, 86400}, KB: Span{1, 26214400000}, DPD: Span{2, 86400}, NATT: "always",
			comment: "#", spell: vyosKey, write: writeVyOS},
		{Word: "pfsense", Title: "pfSense CE 2.7 (steps in its web pages)", Interface: "WAN", Phase1: sense, Phase2: sense, Aggressive: true, Names: true, IPv6: true,
			Lifetime1: anySpan, Lifetime2: anySpan, DPD: anySpan, NATT: "settable", comment: "#", spell: formKey, write: writePfSense},
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

// vendorDevices are those whose files follow the manuals of their makers.
func vendorDevices() []Device {
	return []Device{ciscoIOS(), ciscoASA(), juniperSRX(), fortiGate(), huawei(), h3c(), mikroTik(), windowsServer()}
}

func ciscoIOS() Device {
	numbers := []ike.Group{1, 2, 5, 14, 15, 16, 19, 20, 21, 24}
	return Device{Word: "cisco-ios", Title: "Cisco IOS 15 or IOS XE", Interface: "GigabitEthernet0/0", Aggressive: true, Names: true,
		Phase1: Abilities{words("AES-CBC-256=aes_256 AES-CBC-192=aes_192 AES-CBC-128=aes_128 3DES-CBC=3des DES-CBC=des"),
			words("SHA-512=sha512 SHA-384=sha384 SHA-256=sha256 SHA1=sha MD5=md5"), groups("", numbers...)},
		Phase2: Abilities{words("AES-CBC-256=esp-aes_256 AES-CBC-192=esp-aes_192 AES-CBC-128=esp-aes_128 3DES-CBC=esp-3des DES-CBC=esp-des"),
			words("SHA-512=esp-sha512-hmac SHA-384=esp-sha384-hmac SHA-256=esp-sha256-hmac SHA1=esp-sha-hmac MD5=esp-md5-hmac"), groups("group", numbers...)},
		Lifetime1: Span{60, 86400}, Lifetime2: Span{120, 86400}, KB: Span{2560, 1<<32 - 1}, DPD: Span{10, 3600}, NATT: "always",
		nameLength: 32, comment: "!", spell: oneWord(1, 128), write: writeIOS}
}

// ciscoASA has SHA-2 with IKEv2 only.
func ciscoASA() Device {
	return Device{Word: "cisco-asa", Title: "Cisco ASA 9", Interface: "outside", Aggressive: true,
		Phase1: Abilities{words("AES-CBC-256=aes-256 AES-CBC-192=aes-192 AES-CBC-128=aes 3DES-CBC=3des DES-CBC=des"),
			words("SHA1=sha MD5=md5"), groups("", 1, 2, 5, 14)},
		Phase2: Abilities{words("AES-CBC-256=esp-aes-256 AES-CBC-192=esp-aes-192 AES-CBC-128=esp-aes 3DES-CBC=esp-3des DES-CBC=esp-des"),
			words("SHA1=esp-sha-hmac MD5=esp-md5-hmac"), groups("group", 1, 2, 5, 14)},
		Lifetime1: Span{120, 1<<31 - 1}, Lifetime2: Span{120, 214783647}, KB: Span{10, 1<<31 - 1}, DPD: Span{10, 3600}, NATT: "always",
		nameLength: 32, comment: "!", spell: oneWord(1, 128), write: writeASA}
}

func juniperSRX() Device {
	const ciphers = "AES-CBC-256=aes-256-cbc AES-CBC-192=aes-192-cbc AES-CBC-128=aes-128-cbc 3DES-CBC=3des-cbc DES-CBC=des-cbc"
	numbers := groups("group", 1, 2, 5, 14, 19, 20, 24)
	return Device{Word: "juniper-srx", Title: "Juniper SRX, Junos 12.1 or later", Interface: "ge-0/0/0.0", Aggressive: true, Names: true,
		Phase1:    Abilities{words(ciphers), words("SHA-384=sha-384 SHA-256=sha-256 SHA1=sha1 MD5=md5"), numbers},
		Phase2:    Abilities{words(ciphers), words("SHA-256=hmac-sha-256-128 SHA1=hmac-sha1-96 MD5=hmac-md5-96"), numbers},
		Lifetime1: Span{180, 86400}, Lifetime2: Span{180, 86400}, KB: Span{64, 1<<32 - 2}, DPD: Span{10, 60}, NATT: "always",
		nameLength: 24, comment: "#", spell: junosKey, write: writeSRX}
}

func fortiGate() Device {
	a := Abilities{words(shortCiphers), words(shortHashes), groups("", 1, 2, 5, 14, 15, 16, 19, 20, 21, 31)}
	return Device{Word: "fortigate", Title: "FortiGate, FortiOS 6 or 7", Interface: "wan1", Aggressive: true, Names: true, Phase1: a, Phase2: a,
		Lifetime1: Span{120, 172800}, Lifetime2: Span{120, 172800}, KB: Span{5120, 1<<32 - 1}, DPD: Span{1, 3600}, NATT: "settable",
		nameLength: 15, comment: "#", spell: fortiKey, write: writeFortiGate}
}

func huawei() Device {
	const ciphers, hashes = "AES-CBC-256=aes-256 AES-CBC-192=aes-192 AES-CBC-128=aes-128 3DES-CBC=3des DES-CBC=des", "SHA-512=sha2-512 SHA-384=sha2-384 SHA-256=sha2-256 SHA1=sha1 MD5=md5"
	return Device{Word: "huawei", Title: "Huawei AR or USG, VRP V200R or V500R", Interface: "GigabitEthernet0/0/1", Aggressive: true, Names: true,
		Phase1:    Abilities{words(ciphers), words(hashes), groups("group", 1, 2, 5, 14)},
		Phase2:    Abilities{words(ciphers), words(hashes), groups("dh-group", 1, 2, 5, 14)},
		Lifetime1: Span{60, 604800}, Lifetime2: Span{30, 604800}, KB: Span{256, 200000000}, DPD: Span{10, 3600}, NATT: "always",
		nameLength: 15, comment: "#", spell: oneWord(1, 127), write: writeHuawei}
}

func h3c() Device {
	const ciphers = "AES-CBC-256=aes-cbc-256 AES-CBC-192=aes-cbc-192 AES-CBC-128=aes-cbc-128 3DES-CBC=3des-cbc DES-CBC=des-cbc"
	return Device{Word: "h3c", Title: "H3C Comware V7", Interface: "GigabitEthernet0/1", Aggressive: true, Names: true,
		Phase1: Abilities{words(ciphers), words("SHA-512=sha512 SHA-384=sha384 SHA-256=sha256 SHA1=sha MD5=md5"), groups("group", 1, 2, 5, 14, 24)},
		Phase2: Abilities{words(ciphers), words(shortHashes), groups("dh-group", 1, 2, 5, 14, 24)}, Lifetime1: Span{60, 604800}, Lifetime2: Span{180, 604800},
		KB: Span{2560, 1<<32 - 1}, DPD: Span{1, 300}, NATT: "always", nameLength: 32, comment: "#", spell: oneWord(1, 128), write: writeH3C}
}

func mikroTik() Device {
	numbers := only(modp, 1, 2, 5, 14, 15, 16, 19, 20, 21)
	return Device{Word: "mikrotik", Title: "MikroTik RouterOS 6.45 or 7", Aggressive: true, Names: true,
		Phase1: Abilities{words("AES-CBC-256=aes-256 AES-CBC-192=aes-192 AES-CBC-128=aes-128 3DES-CBC=3des DES-CBC=des"), words(shortHashes), numbers},
		Phase2: Abilities{words("AES-CBC-256=aes-256-cbc AES-CBC-192=aes-192-cbc AES-CBC-128=aes-128-cbc 3DES-CBC=3des DES-CBC=des"),
			words("SHA-512=sha512 SHA-256=sha256 SHA1=sha1 MD5=md5"), numbers},
		Lifetime1: anySpan, Lifetime2: anySpan, DPD: anySpan, NATT: "settable", comment: "#", spell: rosKey, write: writeMikroTik}
}

// windowsServer has main mode only, and with a pre-shared key calls itself by
// its address.
func windowsServer() Device {
	const ciphers = "AES-CBC-256=AES256 AES-CBC-192=AES192 AES-CBC-128=AES128 3DES-CBC=DES3 DES-CBC=DES"
	numbers := groups("DH", 1, 2, 14, 19, 20, 24)
	return Device{Word: "windows", Title: "Windows Server 2012 R2 or later (PowerShell, elevated)",
		Phase1:    Abilities{words(ciphers), words("SHA-384=SHA384 SHA-256=SHA256 SHA1=SHA1 MD5=MD5"), numbers},
		Phase2:    Abilities{words(ciphers), words("SHA-256=SHA256 SHA1=SHA1 MD5=MD5"), numbers},
		Lifetime1: Span{60, 172800}, Lifetime2: Span{300, 172800}, KB: Span{20480, 1<<31 - 1}, NATT: "needs its registry",
		step: 60, needsOwn: true, comment: "#", spell: psKey, write: writeWindows}
}
