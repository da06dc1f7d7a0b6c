package interop

import (
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
)

// comings are the stories of a tunnel that comes up, begun by either end.
func comings() []story {
	all := []story{
		{name: "a packet begins, " + who(false), demand: true, set: onDemand},
		{name: "four pairs, " + who(false), set: fourPairs},
		{name: "four pairs, " + who(true), theirs: true, set: fourPairs},
		{name: "the peer has the old key", theirs: true, set: func(t *tunnel) { t.oldKey = "the old key" }},
		{name: "the peer may come from anywhere", theirs: true, set: func(t *tunnel) { names(t); t.anywhere = true }},
	}
	if kernelESP() { // strongSwan's plane in user space cannot ask for an SA
		all = append(all, story{name: "a packet begins, " + who(true), theirs: true, demand: true, set: func(t *tunnel) { t.other.start = "flow_trigger" }})
	}
	for _, theirs := range []bool{false, true} {
		all = append(all,
			story{name: "a Unicode key, " + who(theirs), theirs: theirs, set: func(t *tunnel) { t.key = `密钥 "ключ" \ # {🔑}` }},
			story{name: "both ends have names, " + who(theirs), theirs: theirs, set: names},
			story{name: "one end has a name, " + who(theirs), theirs: theirs, set: func(t *tunnel) { t.remoteID = "idc.example.com" }},
		)
		all = append(all, proposals(theirs)...)
	}
	return all
}

// proposals are what both of the other makes can do.
func proposals(theirs bool) []story {
	var all []story
	for i, suite := range []string{
		"3des-md5-group5", "3des-sha1-group14", "aes128-sha1-group5", "aes192-sha256-group14", "aes256-sha1-group14", "aes256-sha512-group16",
	} {
		esp := suite
		if theirs == (i%2 == 0) {
			esp = withoutGroup(suite)
		}
		all = append(all, story{
			name: "main mode, " + suite + ", " + pfs(esp != suite) + ", " + who(theirs), theirs: theirs,
			set: func(t *tunnel) { t.ike, t.esp = suite, esp },
		})
	}
	return all
}

// quicks are the stories of aggressive mode.
func quicks() []story {
	var all []story
	for _, theirs := range []bool{false, true} {
		all = append(all,
			story{name: "aggressive mode, addresses, PFS, " + who(theirs), theirs: theirs, set: aggressive},
			story{name: "aggressive mode, names, no PFS, " + who(theirs), theirs: theirs, set: func(t *tunnel) {
				aggressive(t)
				names(t)
				t.esp = withoutGroup(t.esp)
			}},
			story{name: "aggressive mode, 3des-md5-group5, names, PFS, " + who(theirs), theirs: theirs, set: func(t *tunnel) {
				aggressive(t)
				names(t)
				t.ike, t.esp = "3des-md5-group5", "3des-md5-group5"
			}},
		)
	}
	return append(all,
		story{name: "aggressive mode, the peer may come from anywhere", theirs: true, set: func(t *tunnel) {
			aggressive(t)
			names(t)
			t.anywhere = true
		}},
		story{name: "aggressive mode, the peer closes all, we are active", set: func(t *tunnel) { aggressive(t); active(t) }, then: thePeerClosesAll},
		story{name: "aggressive mode, the peer reboots and begins again", set: aggressive, then: thePeerReboots},
		story{name: "aggressive mode, we crash, and begin again", set: func(t *tunnel) { aggressive(t); active(t) }, then: weCrash},
	)
}

// lives are the stories of what happens to a tunnel that stands.
func lives() []story {
	all := []story{
		{name: "the peer closes the pair, a packet brings it back", set: onDemand, then: thePairIsClosed},
		{name: "the peer closes the pair it began, a packet brings it back", theirs: true, set: onDemand, then: thePairIsClosed},
		{name: "the peer closes all, a packet brings it back", set: onDemand, then: allIsClosed},
		{name: "the peer closes all that it began, a packet brings it back", theirs: true, set: onDemand, then: allIsClosed},
		{name: "the peer closes all, we are active", set: active, then: thePeerClosesAll},
		{name: "the peer closes all and begins again", then: thePeerClosesAndBegins},
		{name: "we close and begin again", then: weClose},
		{name: "we close what the peer began, and begin", theirs: true, then: weClose},
		{name: "we crash, and begin again", set: active, then: weCrash},
		{name: "we crash, and a packet begins again", set: onDemand, then: weCrash},
		{name: "we crash, and the peer begins again", then: weCrashAndThePeerBegins},
		{name: "we stop and start again", set: active, then: weStop},
		{name: "the peer reboots and begins again", then: thePeerReboots},
		{name: "the peer reboots and begins what it had begun", theirs: true, then: thePeerReboots},
		{name: "the peer rekeys the pair", then: thePeerRekeysThePair},
		{name: "the peer rekeys the pair that it began", theirs: true, then: thePeerRekeysThePair},
		{name: "the peer rekeys phase 1", then: thePeerRekeysPhase1, not: "Libreswan"},
		{name: "the peer rekeys the phase 1 that it began", theirs: true, then: thePeerRekeysPhase1, not: "Libreswan"},
		{name: "we rekey the pair", then: weRekeyThePair},
		{name: "we rekey the pair that the peer began", theirs: true, then: weRekeyThePair},
		{name: "we rekey phase 1", then: weRekeyPhase1},
		{name: "both ends rekey the pair at once", then: bothRekeyThePair, not: "Libreswan"}, // each may go on taking another SA for the newest
		{name: "both ends rekey all at once", then: bothRekeyAll, not: "Libreswan"},
		{name: "short lifetimes at the peer", theirs: true, set: shortLives, then: livesOn},
		{name: "short lifetimes at the peer, of what we began", set: shortLives, then: livesOn},
	}
	if kernelESP() { // strongSwan in user space says that it is behind NAT: only it can begin anew what it began
		all = append(all, story{name: "we rekey the phase 1 that the peer began", theirs: true, then: weRekeyPhase1})
	}
	return all
}

// silences are the stories of dead peer detection.
func silences() []story {
	return []story{
		{name: "both ends ask and are answered", set: bothAsk, then: bothStay},
		{name: "the peer freezes and we find out", set: weAsk, then: thePeerFreezes},
		{name: "the peer freezes and we begin again", set: weAskActive, then: thePeerFreezesAndThaws},
		{name: "the peer's link goes and comes back", set: weAskActive, then: theLinkGoes},
		{name: "the peer reboots and we find out", set: weAskActive, then: thePeerRebootsAndWaits},
		{name: "we freeze and the peer finds out", set: thePeerAsks, then: weFreeze},
	}
}

// hidden are the stories of a translator before us, or before the peer, which
// is then the end that begins.
func hidden(theirs bool) []story {
	all := []story{
		{name: "names", set: names},
		{name: "private addresses"},
		{name: "3des-md5-group5, no PFS", set: func(t *tunnel) { names(t); t.ike, t.esp = "3des-md5-group5", "3des-md5" }},
		{name: "aggressive mode, names", set: func(t *tunnel) { aggressive(t); names(t) }},
		{name: "the peer rekeys the pair", set: names, then: thePeerRekeysThePair},
		{name: "we rekey the pair", set: names, then: weRekeyThePair},
		{name: "the translator forgets the flow", set: func(t *tunnel) { names(t); bothAsk(t) }, then: theTranslatorForgets},
	}
	if theirs {
		all = append(all, story{name: "the peer may come from anywhere", set: func(t *tunnel) { names(t); t.anywhere = true }})
	} else { // whoever is behind NAT has to begin
		all = append(all, story{name: "we rekey phase 1", set: names, then: weRekeyPhase1})
	}
	for i := range all {
		all[i].theirs = theirs
		all[i].name = "behind NAT, " + who(theirs) + ": " + all[i].name
	}
	return all
}

// overIPv6 are the stories of gateways that meet over IPv6.
func overIPv6() []story {
	return []story{
		{name: "over IPv6, " + who(false)},
		{name: "over IPv6, " + who(true), theirs: true},
		{name: "over IPv6, the peer reboots and begins again", then: thePeerReboots},
	}
}

func names(t *tunnel) { t.localID, t.remoteID = "vpc.example.com", "idc.example.com" }

func active(t *tunnel) { t.mine.start = "active" }

func onDemand(t *tunnel) { t.mine.start = "flow_trigger" }

func aggressive(t *tunnel) { t.aggressive = true }

// fourPairs are two networks at each end, under one phase 1.
func fourPairs(t *tunnel) { t.pairs = between(twoNetworks()).pairs }

func shortLives(t *tunnel) { t.other.ikeLife, t.other.espLife = 24, 12 }

// The settings of dead peer detection: the quickest that there are.
const askDelay, askTimeout = 5, 6

func weAsk(t *tunnel) { t.mine.delay, t.mine.timeout = askDelay, askTimeout }

func weAskActive(t *tunnel) { weAsk(t); active(t) }

func thePeerAsks(t *tunnel) { t.other.delay, t.other.timeout = 2, 6 }

func bothAsk(t *tunnel) { weAsk(t); thePeerAsks(t) }

// weBehindNAT and thePeerBehindNAT are sites with a translator before a gateway.
func weBehindNAT() netns.Sites {
	s := twoNetworks()
	s.VPC.Behind = netip.MustParsePrefix("172.16.0.2/24")
	return s
}

func thePeerBehindNAT() netns.Sites {
	s := twoNetworks()
	s.IDC.Behind = netip.MustParsePrefix("172.16.0.2/24")
	return s
}

func sitesOnIPv6() netns.Sites {
	s := twoNetworks()
	s.VPC.Public, s.IDC.Public = netip.MustParsePrefix("2001:db8:1::82/64"), netip.MustParsePrefix("2001:db8:2::5/64")
	return s
}

func TestTunnelsComeUp(t *testing.T) { tellAll(t, twoNetworks(), comings()) }

func TestTunnelsComeUpInAggressiveMode(t *testing.T) { tellAll(t, twoNetworks(), quicks()) }

func TestTunnelsLive(t *testing.T) { tellAll(t, twoNetworks(), lives()) }

func TestDeadPeersAreDetected(t *testing.T) { tellAll(t, twoNetworks(), silences()) }

func TestTunnelsFromBehindNAT(t *testing.T) { tellAll(t, weBehindNAT(), hidden(false)) }

func TestTunnelsToBehindNAT(t *testing.T) { tellAll(t, thePeerBehindNAT(), hidden(true)) }

func TestTunnelsOverIPv6(t *testing.T) { tellAll(t, sitesOnIPv6(), overIPv6()) }
