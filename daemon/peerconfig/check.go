package peerconfig

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

// checker holds a tunnel against what a device can.
type checker struct {
	sight
	device Device
	wanted Wanted
	key    string // the pre-shared key, in the device's spelling
	faults config.Faults
}

// check finds everything that the device cannot do, and what it can of our
// proposals.
func (k *checker) check() {
	t := k.written
	k.phase1 = k.choose(k.device.Phase1, k.peer.Proposals, "ike", t.IKE.Encryption, t.IKE.Integrity, "dh_group", t.IKE.DHGroup)
	var pfs []config.Value[string]
	if t.IPsec.PFS.IsSet() {
		pfs = append(pfs, t.IPsec.PFS)
	}
	k.phase2 = k.choose(k.device.Phase2, k.peer.Children[0].Proposals, "ipsec", t.IPsec.Encryption, t.IPsec.Integrity, "pfs", pfs)
	k.lasting("ike", t.IKE.LifetimeSeconds, k.life1, k.device.Lifetime1)
	k.lasting("ipsec", t.IPsec.LifetimeSeconds, k.life2, k.device.Lifetime2)
	if k.aggressive && !k.device.Aggressive {
		k.refuse(t.IKE.Mode.Pos, k.line("ike", "mode", config.MainMode), "has no aggressive mode")
	}
	k.identities()
	k.networks()
	k.addresses()
	k.spellable()
}

// refuse adds a fault: what the device is or has not, and what to write on our
// side. A value that is not written is told at its tunnel.
func (k *checker) refuse(at config.Pos, do, what string, args ...any) {
	if at == (config.Pos{}) {
		at = k.written.Pos
	}
	k.faults = append(k.faults, at.Fault(fmt.Sprintf("tunnel %q: %s %s", k.tunnel, k.device.Title, fmt.Sprintf(what, args...)), do))
}

// line is a line of our configuration, and its table.
func (k *checker) line(section, key, word string) string {
	return fmt.Sprintf("write %s = %q in [vpn_tunnel.%s.%s]", key, word, tomlName(k.tunnel), section)
}

// choose takes the best of our proposals that the device can do. All of them
// are every combination of what is written, so where there is none, one kind of
// algorithm has nothing in common.
func (k *checker) choose(can Abilities, ours []ike.Proposal, section string, ciphers, hashes []config.Value[string], groupKey string, groups []config.Value[string]) proposal {
	var kinds [3]kindOf
	for _, p := range ours {
		c, _ := suite.CipherOf(p.Cipher, p.KeyBits)
		h, _ := suite.HashOf(p.Hash)
		g, _ := suite.GroupOf(p.Group)
		found := proposal{p, can.Ciphers[c.Word], can.Hashes[h.Word], can.Groups[p.Group]}
		common := [3]bool{found.cipher != "", found.hash != "", found.group != "" || p.Group == 0}
		if common == [3]bool{true, true, true} {
			return found
		}
		for i, word := range []string{c.Word, h.Word, g.Word} {
			kinds[i].add(word, common[i])
		}
	}
	canCiphers, canHashes, canGroups := can.List()
	k.nothing(kinds[0], section, "encryption", ciphers, canCiphers, []string{"AES-CBC-256"})
	k.nothing(kinds[1], section, "integrity", hashes, canHashes, []string{"SHA-256", "SHA1"})
	k.nothing(kinds[2], section, groupKey, groups, canGroups, []string{"GROUP14", "GROUP19", "GROUP16", "GROUP5"})
	return proposal{}
}

// kindOf is what we propose of one kind of algorithms.
type kindOf struct {
	words  []string
	common bool // the device can do one of them
}

func (o *kindOf) add(word string, common bool) {
	if !slices.Contains(o.words, word) {
		o.words = append(o.words, word)
	}
	o.common = o.common || common
}

// nothing refuses a kind of algorithms that the device has nothing of, and names
// the best that it has.
func (k *checker) nothing(o kindOf, section, key string, written []config.Value[string], can, best []string) {
	if o.common || len(o.words) == 0 {
		return
	}
	var at config.Pos
	if len(written) > 0 {
		at = written[0].Pos
	}
	k.refuse(at, k.line(section, key, firstOf(best, can)), "cannot do %s.%s %s: it has %s", section, key, listed(o.words), listed(can))
}

// firstOf is the first of the best words that is among those that can be.
func firstOf(best, can []string) string {
	for _, b := range best {
		if slices.Contains(can, b) {
			return b
		}
	}
	return can[0]
}

// lasting refuses a lifetime that cannot be written on the device: where the two
// sides differ, some devices refuse the longer one.
func (k *checker) lasting(section string, written config.Value[int64], seconds int, can Span) {
	write := func(n uint64) string {
		return fmt.Sprintf("write lifetime_seconds = %d in [vpn_tunnel.%s.%s]", n, tomlName(k.tunnel), section)
	}
	if !can.holds(uint64(seconds)) {
		k.refuse(written.Pos, write(can.nearest(uint64(seconds))), "cannot do %s.lifetime_seconds %d: it has %d to %d", section, seconds, can.Least, can.Most)
		return
	}
	if step := k.device.step; step > 0 && seconds%step != 0 {
		k.refuse(written.Pos, write(uint64(seconds-seconds%step)), "cannot do %s.lifetime_seconds %d: it takes multiples of %d", section, seconds, step)
	}
}

// identities refuses names that the device does not have.
func (k *checker) identities() {
	i := k.written.IKE
	for _, side := range []struct {
		id   ike.ID
		key  string
		kind config.Value[string]
		text config.Value[string]
	}{{k.remoteID, "local", i.LocalIdentity, i.LocalFQDN}, {k.localID, "remote", i.RemoteIdentity, i.RemoteFQDN}} {
		switch {
		case !named(side.id):
		case !k.device.Names:
			k.refuse(side.kind.Pos, k.line("ike", side.key+"_identity", config.IdentityAddress)+", with the address that this side has",
				"knows a side with a pre-shared key by its address only, and %s_identity is %s", side.key, config.IdentityFQDN)
		case k.device.Word != "twinspan" && !plainName.MatchString(side.id.Text):
			k.refuse(side.text.Pos, "write letters and digits of ASCII, with . - and _ between them",
				"cannot be told the %s_fqdn %q", side.key, side.id.Text)
		}
	}
}

// networks refuses pairs that cannot be written.
func (k *checker) networks() {
	if !k.device.IPv6 && (k.hasIPv6() || k.remote.Is6()) {
		k.refuse(config.Pos{}, "put the IPv6 networks into another tunnel, or write its configuration by hand", "gets no IPv6 from this program")
	}
	if k.device.Word != "twinspan" {
		return
	}
	locals := k.locals()
	for i, a := range locals {
		if at := slices.IndexFunc(locals[:i], a.Overlaps); at >= 0 {
			k.refuse(k.peerAt(a), "write the same network in both policies, or networks that do not overlap",
				"has policies by its local network, and %v overlaps %v", a, locals[at])
		}
	}
}

// peerAt is where a network of the device's is written.
func (k *checker) peerAt(network netip.Prefix) config.Pos {
	for _, s := range k.written.SPD {
		for _, p := range s.Peer {
			if p.V == network {
				return p.Pos
			}
		}
	}
	return config.Pos{}
}

// addresses refuses what leads nowhere: a private address seen from the
// internet, or an address of its own that the device needs and nobody knows.
func (k *checker) addresses() {
	if !k.wanted.Gateway.IsValid() && private(k.remote) && !(k.remoteSees.IsValid() && private(k.remoteSees)) {
		k.refuse(config.Pos{}, "say --gateway ADDRESS: the public one that leads to this gateway",
			"cannot reach the VPN gateway %q from the internet at %v, which is a private address", k.gateway, k.remote)
	}
	if k.device.needsOwn && !k.local.IsValid() {
		k.refuse(config.Pos{}, "say --own-address ADDRESS: the one that the device has outside",
			"needs its own address in the file, and the configuration does not tell it")
	}
}

// private tells addresses that do not lead anywhere from the internet: RFC 1918,
// RFC 4193, and RFC 6598, which carriers use before their translators.
func private(a netip.Addr) bool {
	return a.IsPrivate() || carrier.Contains(a) || a.IsLinkLocalUnicast()
}

var carrier = netip.MustParsePrefix("100.64.0.0/10")

// spellable refuses a key that cannot be written.
func (k *checker) spellable() {
	text, wrong := k.device.spell(k.secret.Open())
	if wrong != "" {
		k.refuse(k.written.Keys[0].Pos, "give the tunnel such a key on both sides", "cannot be told the pre-shared key: it has %s", wrong)
	}
	k.key = text
}

// listed joins words as a sentence has them.
func listed(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	if len(words) == 1 {
		return words[0]
	}
	text := words[0]
	for _, w := range words[1 : len(words)-1] {
		text += ", " + w
	}
	return text + " and " + words[len(words)-1]
}
