package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

// What is proposed where the configuration names nothing: the strongest of
// the product's set, with SHA-256 before SHA1 for the peers that have it.
var (
	defaultCiphers = []string{"AES-CBC-256"}
	defaultHashes  = []string{"SHA-256", "SHA1"}
	defaultGroups  = []string{"GROUP14"}
)

// mostTransforms fit into one message that need not be fragmented. IKEv1 has
// one algorithm of each kind in a transform, so each combination is one.
const mostTransforms = 40

// phase1 are the proposals of a tunnel's phase 1, best first.
func (m *maker) phase1(t *tunnel) []ike.Proposal {
	c := t.IKE
	ciphers := pick(m, t, "ike.encryption", c.Encryption, defaultCiphers, suite.ParseCipher, cipherDoubt)
	hashes := pick(m, t, "ike.integrity", c.Integrity, defaultHashes, suite.ParseHash, hashDoubt)
	groups := pick(m, t, "ike.dh_group", c.DHGroup, defaultGroups, suite.ParseGroup, groupDoubt)
	if c.Mode.V == config.AggressiveMode && len(c.DHGroup) > 1 {
		m.fault(c.DHGroup[1].Pos, `keep the one that the peer has, or write mode = "MAIN"`,
			"%s: aggressive mode has one dh_group: its first message holds a public value already", t.noun())
	}
	return m.combine(t, "ike", slices.Concat(c.Encryption, c.Integrity, c.DHGroup), ciphers, hashes, groups)
}

// phase2 are the ESP proposals of a tunnel, best first.
func (m *maker) phase2(t *tunnel) []ike.Proposal {
	c := t.IPsec
	ciphers := pick(m, t, "ipsec.encryption", c.Encryption, defaultCiphers, suite.ParseCipher, cipherDoubt)
	hashes := pick(m, t, "ipsec.integrity", c.Integrity, defaultHashes, suite.ParseHash, hashDoubt)
	groups := []suite.Group{{}} // no PFS
	if !config.Disabled(c.PFS.V) {
		var written []config.Value[string]
		if c.PFS.IsSet() {
			written = append(written, c.PFS)
		}
		groups = pick(m, t, "ipsec.pfs", written, defaultGroups, suite.ParseGroup, groupDoubt)
	}
	return m.combine(t, "ipsec", slices.Concat(c.Encryption, c.Integrity), ciphers, hashes, groups)
}

func cipherDoubt(c suite.Cipher) suite.Doubt {
	return suite.Doubt{Word: c.Word, Grade: c.Grade, Why: c.Why}
}
func hashDoubt(h suite.Hash) suite.Doubt {
	return suite.Doubt{Word: h.Word, Grade: h.Grade, Why: h.Why}
}
func groupDoubt(g suite.Group) suite.Doubt {
	return suite.Doubt{Word: g.Word, Grade: g.Grade, Why: g.Why}
}

// pick finds the algorithms that a tunnel names, or the usual ones.
func pick[R comparable](m *maker, t *tunnel, key string, words []config.Value[string], usual []string,
	parse func(string) (R, error), doubt func(R) suite.Doubt) []R {
	if len(words) == 0 {
		for _, w := range usual {
			words = append(words, config.Value[string]{V: w})
		}
	}
	var out []R
	for _, w := range words {
		row, err := parse(w.V)
		switch {
		case err != nil:
			what, do := split(err)
			if key == "ipsec.pfs" {
				do += ", disable"
			}
			m.fault(w.Pos, do, "%s: %s: %s", t.noun(), key, what)
		case slices.Contains(out, row):
			m.fault(w.Pos, "take one out", "%s: %s names %s twice", t.noun(), key, doubt(row).Word)
		default:
			out = append(out, row)
			m.doubt(t, key, w.Pos, doubt(row))
		}
	}
	return out
}

// split parts an error of package suite into what is wrong and what to do.
func split(err error) (what, do string) {
	s := err.Error()
	if i := strings.LastIndex(s, "; "); i >= 0 {
		return s[:i], s[i+2:]
	}
	return s, ""
}

// doubt warns of an algorithm that is not good, or refuses it.
func (m *maker) doubt(t *tunnel, key string, at config.Pos, d suite.Doubt) {
	m.grade(t, key, at, d, "name a good one")
}

// grade warns of what is not good, or refuses it; better is what to do instead.
func (m *maker) grade(t *tunnel, key string, at config.Pos, d suite.Doubt, better string) {
	if d.Grade == suite.Good {
		return
	}
	what := fmt.Sprintf("%s: %s %s is %v: %s", t.noun(), key, d.Word, d.Grade, d.Why)
	if m.cfg.Weak.V == config.WeakRefuse {
		m.fault(at, better+`, or set weak = "warn" in [security]`, "%s", what)
		return
	}
	m.warn(at, better+" if the peer has it", "%s", what)
}

// mode is how a tunnel does phase 1.
func (m *maker) mode(t *tunnel) ike.Mode {
	if t.IKE.Mode.V != config.AggressiveMode {
		return ike.Main
	}
	m.grade(t, "ike.mode", t.IKE.Mode.Pos, suite.Doubt{Word: config.AggressiveMode, Grade: suite.Weak,
		Why: "it shows the identities in clear, and whoever records it can try pre-shared keys offline"}, `write mode = "MAIN"`)
	return ike.Aggressive
}

// combine makes a proposal of each combination: the best cipher with every
// hash and every group, then the next. They are counted before they are made.
func (m *maker) combine(t *tunnel, section string, words []config.Value[string],
	ciphers []suite.Cipher, hashes []suite.Hash, groups []suite.Group) []ike.Proposal {
	if n := len(ciphers) * len(hashes) * len(groups); n > mostTransforms {
		m.fault(words[0].Pos, "name fewer algorithms", "%s: %d x %d x %d algorithms of [%s] make %d combinations, and at most %d can be proposed",
			t.noun(), len(ciphers), len(hashes), len(groups), section, n, mostTransforms)
		return nil
	}
	var out []ike.Proposal
	for _, c := range ciphers {
		for _, h := range hashes {
			for _, g := range groups {
				out = append(out, ike.Proposal{Cipher: c.Cipher, KeyBits: c.KeyBits, Hash: h.Hash, Group: g.Group})
			}
		}
	}
	return out
}
