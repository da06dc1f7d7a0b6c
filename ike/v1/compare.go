package v1

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// The parameters beside those of proposals, by their keys in the configuration.
const (
	nameKey     = "pre_shared_key"
	nameLocal   = "spd.local"
	namePeer    = "spd.peer"
	nameMode    = "ike.mode"
	nameVersion = "ike.version"
)

// The parameters that no key stands for: what the network between must let
// through.
const (
	namePort500  = "udp.500"
	namePort4500 = "udp.4500"
)

// wish is what a tunnel of ours wants in one phase.
type wish struct {
	tunnel    string
	table     string // "ike", "ipsec": the table of its keys
	what      string // of proposals: "IKE", "IPsec"
	proposals []ike.Proposal
	life      ike.Lifetime
}

func phase1(p *ike.Peer) wish {
	return wish{p.Name, "ike", "IKE", p.Proposals, ike.Lifetime{Time: p.Lifetime.Time}}
}

func phase2(tunnel string, c ike.Child) wish {
	return wish{tunnel, "ipsec", "IPsec", c.Proposals, c.Lifetime}
}

// keys are those of a proposal, in the order of its parts.
func (w wish) keys() [3]string {
	if w.table == "ike" {
		return [3]string{keyEncryption, keyIntegrity, keyGroup}
	}
	return [3]string{keyEncryption, keyIntegrity, keyPFS}
}

// parts are those of a proposal of ours, in the words that offered has for them.
func (w wish) parts(p ike.Proposal) [3]part {
	c, _ := suite.CipherOf(p.Cipher, p.KeyBits)
	h, _ := suite.HashOf(p.Hash)
	g, ok := suite.GroupOf(p.Group)
	if !ok {
		g.Word = noPFS
	}
	k := w.keys()
	return [3]part{{k[0], c.Word}, {k[1], h.Word}, {k[2], g.Word}}
}

// noPFS is an offer of phase 2 without a group.
const noPFS = "no PFS"

// differences counts what would have to change for an offer to be ours. What is
// not understood counts much: nothing that we could write would match it.
func differences(ours [3]part, theirs offered) int {
	n := 0
	for _, o := range ours {
		if !slices.Contains(theirs.parts, o) {
			n++
		}
	}
	if theirs.unknown {
		n += len(ours)
	}
	return n
}

// nearest finds the proposal of ours and the offer that differ least.
func nearest(wishes []wish, theirs []candidate) (w wish, ours ike.Proposal, c offered, ok bool) {
	best := 0
	for _, wish := range wishes {
		for _, p := range wish.proposals {
			parts := wish.parts(p)
			for _, t := range theirs {
				if n := differences(parts, t.offered); !ok || n < best {
					w, ours, c, best, ok = wish, p, t.offered, n, true
				}
			}
		}
	}
	return w, ours, c, ok
}

// compare holds a proposal against an offer, part by part. Lifetimes need not be
// the same: the shorter one holds.
func (w wish) compare(p ike.Proposal, theirs offered) []ike.Parameter {
	var list []ike.Parameter
	for _, o := range w.parts(p) {
		list = append(list, w.parameter(o.key, o.word, theirs.word(o.key)))
	}
	ours := map[string]string{
		keyLifetime: secondsWord(w.life), keyEncapsulation: "TUNNEL", keyAuthentication: "pre-shared key",
	}
	keys := w.keys()
	said := false
	for _, t := range theirs.parts {
		if slices.Contains(keys[:], t.key) {
			continue
		}
		list = append(list, w.parameter(t.key, ours[t.key], t.word))
		said = said || t.key == keyLifetime
	}
	if !said {
		list = append(list, ike.Parameter{
			Name: w.table + "." + keyLifetime, Ours: ours[keyLifetime], Theirs: secondsWord(theirs.life), Agrees: true,
		})
	}
	return list
}

// parameter compares one part.
func (w wish) parameter(key, ours, theirs string) ike.Parameter {
	return ike.Parameter{Name: w.table + "." + key, Ours: written(key, ours), Theirs: written(key, theirs), Agrees: ours == theirs}
}

// written is a part's word as the configuration has it.
func written(key, word string) string {
	switch {
	case key != keyPFS:
		return word
	case word == noPFS:
		return "disable"
	case strings.HasPrefix(word, "GROUP"):
		return "DH-" + word
	}
	return word
}

func secondsWord(l ike.Lifetime) string { return strconv.FormatInt(int64(l.Time/time.Second), 10) }

// word is what an offer says of a key.
func (o offered) word(key string) string {
	for _, p := range o.parts {
		if p.key == key {
			return p.word
		}
	}
	return ""
}

// hidden are the parameters of a phase of which the peer only says that one does
// not fit.
func (w wish) hidden() []ike.Parameter {
	var list []ike.Parameter
	for i, key := range w.keys() {
		var words []string
		for _, p := range w.proposals {
			if word := written(key, w.parts(p)[i].word); !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
		list = append(list, ike.Parameter{Name: w.table + "." + key, Ours: strings.Join(words, ", ")})
	}
	return append(list, ike.Parameter{Name: w.table + "." + keyLifetime, Ours: secondsWord(w.life)})
}

// differing are the parameters that do not agree.
func differing(list []ike.Parameter) []ike.Parameter {
	return slices.DeleteFunc(slices.Clone(list), func(p ike.Parameter) bool { return p.Agrees })
}

// spoken are the keys in sentences.
var spoken = map[string]string{
	keyEncryption: "encryption", keyIntegrity: "integrity", keyGroup: "DH group", keyPFS: "PFS",
	keyEncapsulation: "encapsulation mode", keyLifetime: "lifetime", keyAuthentication: "authentication method",
	keyAttribute: "an attribute that we do not have",
}

// keyOf is a parameter's key without its table.
func keyOf(p ike.Parameter) string { return p.Name[strings.LastIndexByte(p.Name, '.')+1:] }

// change says what to write in our configuration to have what the peer has.
func (w wish) change(differ []ike.Parameter) string {
	var lines []string
	for _, p := range differ {
		lines = append(lines, fmt.Sprintf("%s = %q", keyOf(p), p.Theirs))
	}
	if len(lines) == 0 {
		return ""
	}
	return "write " + strings.Join(lines, " and ") + " in " + table(w.tunnel, w.table)
}

// peerChange says what to set at the peer instead.
func (w wish) peerChange(differ []ike.Parameter) string {
	var all []string
	for _, p := range differ {
		switch key := keyOf(p); key {
		case keyAttribute:
			all = append(all, "take "+p.Theirs+" out")
		case keyEncapsulation:
			all = append(all, "set tunnel mode")
		case keyLifetime:
			all = append(all, "set a lifetime in seconds")
		case keyPFS:
			all = append(all, pfsChange(p.Ours))
		default:
			all = append(all, "set "+spoken[key]+" "+p.Ours)
		}
	}
	if len(all) == 0 {
		return ""
	}
	if w.table == "ike" {
		return strings.Join(all, " and ") + " in phase 1"
	}
	return strings.Join(all, " and ") + " in phase 2"
}

func pfsChange(ours string) string {
	if ours == "disable" {
		return "switch PFS off"
	}
	return "set PFS with " + ours
}

// table is a table of the configuration by its full name.
func table(tunnel, sub string) string {
	return "[vpn_tunnel." + bare(tunnel) + "." + sub + "]"
}

// bare is a name as TOML takes it, in quotes where it needs them.
func bare(name string) string {
	plain := name != "" && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
	if plain {
		return name
	}
	return strconv.Quote(name)
}

// compareNetworks holds a pair of networks of ours against the peer's.
func compareNetworks(ours, theirs xfrm.Selector) []ike.Parameter {
	return []ike.Parameter{
		{Name: nameLocal, Ours: ours.Local.String(), Theirs: prefixWord(theirs.Local), Agrees: ours.Local == theirs.Local},
		{Name: namePeer, Ours: ours.Remote.String(), Theirs: prefixWord(theirs.Remote), Agrees: ours.Remote == theirs.Remote},
	}
}

func prefixWord(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// compareIdentity holds the identity that one side must have against the one
// that it has; side is "local" or "remote". A zero one is not known.
func compareIdentity(side string, ours, theirs ike.ID) []ike.Parameter {
	kind := ours.Kind
	if theirs.Kind != 0 {
		kind = theirs.Kind
	}
	value := ike.Parameter{Name: "ike." + side + "_address", Theirs: theirs.Text}
	if kind == ike.IDFQDN {
		value.Name = "ike." + side + "_fqdn"
	}
	if kind == ours.Kind {
		value.Ours = ours.Text
	}
	value.Agrees = kind == ours.Kind && strings.EqualFold(ours.Text, theirs.Text)
	if theirs.Kind == 0 {
		return []ike.Parameter{value}
	}
	return []ike.Parameter{
		{Name: "ike." + side + "_identity", Ours: kindWord(ours.Kind), Theirs: kindWord(theirs.Kind), Agrees: ours.Kind == theirs.Kind},
		value,
	}
}

func kindWord(k ike.IDKind) string {
	switch k {
	case ike.IDAddress:
		return "ADDRESS"
	case ike.IDFQDN:
		return "FQDN"
	}
	return ""
}

// modeWord is a mode as the configuration has it.
func modeWord(m ike.Mode) string {
	if m == ike.Aggressive {
		return "AGGRESSIVE"
	}
	return "MAIN"
}

// encapWord is an encapsulation mode for people.
func encapWord(mode uint64) string {
	switch mode {
	case isakmp.EncapTunnel:
		return "TUNNEL"
	case isakmp.EncapTransport:
		return "TRANSPORT"
	case isakmp.EncapUDPTunnel, isakmp.EncapUDPTunnelDraft:
		return "TUNNEL in UDP"
	case isakmp.EncapUDPTransport:
		return "TRANSPORT in UDP"
	}
	return fmt.Sprintf("encapsulation mode %d", mode)
}
