package swan

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// SA is an ISAKMP SA of charon's.
type SA struct {
	Name      string // of its Conn
	State     string // "ESTABLISHED", "CONNECTING", ...
	Initiator bool
	Proposal  string // "aes256-sha1-group14"
	RemoteID  string
	Children  []ChildSA
}

// ChildSA is a pair of ESP SAs of charon's.
type ChildSA struct {
	Name                  string
	State                 string // "INSTALLED", ...
	SPIIn, SPIOut         uint32
	Proposal              string // "aes256-sha1", with "-group14" behind it when PFS was used
	Encap                 bool
	BytesIn, BytesOut     uint64
	PacketsIn, PacketsOut uint64
	Local, Remote         []netip.Prefix
}

// SAs lists charon's SAs.
func (c *Charon) SAs(ctx context.Context) ([]SA, error) {
	var all []SA
	var bad error
	err := c.vici(ctx, "list-sas", nil, "list-sa", func(s Section) {
		for _, e := range s {
			sa, err := readSA(e)
			if err != nil {
				bad = err
			}
			all = append(all, sa)
		}
	})
	if err == nil {
		err = bad
	}
	return all, err
}

func readSA(e Entry) (SA, error) {
	s, _ := e.Value.(Section)
	sa := SA{Name: e.Key, State: s.Get("state"), Initiator: s.Get("initiator") == "yes", RemoteID: s.Get("remote-id"), Proposal: proposal(s)}
	for _, child := range s.Sub("child-sas") {
		one, err := readChild(child)
		if err != nil {
			return sa, err
		}
		sa.Children = append(sa.Children, one)
	}
	return sa, nil
}

func readChild(e Entry) (ChildSA, error) {
	s, _ := e.Value.(Section)
	n := &numbers{s: s}
	child := ChildSA{
		Name: s.Get("name"), State: s.Get("state"), Proposal: proposal(s), Encap: s.Get("encap") == "yes",
		SPIIn: uint32(n.read("spi-in", 16, 32)), SPIOut: uint32(n.read("spi-out", 16, 32)),
		BytesIn: n.read("bytes-in", 10, 64), BytesOut: n.read("bytes-out", 10, 64),
		PacketsIn: n.read("packets-in", 10, 64), PacketsOut: n.read("packets-out", 10, 64),
		Local: n.networks("local-ts"), Remote: n.networks("remote-ts"),
	}
	if n.err != nil {
		return child, fmt.Errorf("child %s: %w", e.Key, n.err)
	}
	return child, nil
}

// numbers reads a section's values; what is not there is zero, and the first
// failure sticks.
type numbers struct {
	s   Section
	err error
}

func (n *numbers) read(key string, base, bits int) uint64 {
	text := n.s.Get(key)
	if text == "" || n.err != nil {
		return 0
	}
	var v uint64
	v, n.err = strconv.ParseUint(text, base, bits)
	return v
}

func (n *numbers) networks(key string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range n.s.List(key) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			n.err = err
		}
		all = append(all, p)
	}
	return all
}

// The names that charon reports, in the notation of Words.
var (
	cipherNames = map[string]string{"AES_CBC": "aes", "3DES_CBC": "3des", "DES_CBC": "des"}
	hashNames   = map[string]string{
		"HMAC_MD5_96": "md5", "HMAC_SHA1_96": "sha1", "HMAC_SHA2_256_128": "sha256",
		"HMAC_SHA2_384_192": "sha384", "HMAC_SHA2_512_256": "sha512",
	}
	reportedGroups = map[string]string{
		"MODP_768": "group1", "MODP_1024": "group2", "MODP_1536": "group5", "MODP_2048": "group14",
		"MODP_3072": "group15", "MODP_4096": "group16", "ECP_256": "group19", "ECP_384": "group20",
		"ECP_521": "group21", "MODP_2048_256": "group24", "CURVE_25519": "group31",
	}
)

// proposal is the algorithms of an SA. A name that is not known is kept as it
// is, so that it shows.
func proposal(s Section) string {
	words := []string{known(cipherNames, s.Get("encr-alg")), known(hashNames, s.Get("integ-alg")), known(reportedGroups, s.Get("dh-group"))}
	if words[0] == "aes" {
		words[0] += s.Get("encr-keysize")
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "-")
}

func known(names map[string]string, reported string) string {
	if word, ok := names[reported]; ok {
		return word
	}
	return reported
}
