package peerconfig

import "strings"

// noSpace joins a word that ends in a colon to what follows it.
func noSpace(s string) string { return strings.Replace(s, ": ", ":", 1) }

func writeVyOS(d *draft) {
	d.head()
	d.natTraps()
	d.exempt()
	d.clamp("on the inside interface: set interfaces ethernet NAME ip adjust-mss")
	group := "set vpn ipsec ike-group " + d.name + "-IKE"
	d.put("%s key-exchange ikev1\n%s mode %s\n%s lifetime %d", group, group, d.exchange(), group, d.life1)
	d.put("%s proposal 1 encryption %s\n%s proposal 1 hash %s\n%s proposal 1 dh-group %s", group, d.phase1.cipher, group, d.phase1.hash, group, d.phase1.group)
	if d.dpd.Delay != 0 {
		d.put("%s dead-peer-detection action restart\n%s dead-peer-detection interval %d\n%s dead-peer-detection timeout %d", group, group, d.dpdEvery(2, 86400), group, d.dpdTimeout())
	}
	esp := "set vpn ipsec esp-group " + d.name + "-ESP"
	d.put("%s mode tunnel\n%s lifetime %d", esp, esp, d.life2)
	d.put("%s life-bytes %d", esp, d.device.KB.nearest(d.kb)*1024)
	if d.phase2.group == "" {
		d.put("%s pfs disable", esp)
	} else {
		d.put("%s pfs dh-group%s", esp, d.phase2.group)
	}
	d.put("%s proposal 1 encryption %s\n%s proposal 1 hash %s", esp, d.phase2.cipher, esp, d.phase2.hash)
	d.vyosPeer()
	d.done(d.name + ".vyos")
}

func (d *draft) vyosPeer() {
	psk, peer := "set vpn ipsec authentication psk "+d.name, "set vpn ipsec site-to-site peer "+d.name
	if id, ok := d.ownID(); ok {
		d.put("%s id %s\n%s authentication local-id %s", psk, id, peer, id)
	}
	d.put("%s id %s\n%s secret %s\n%s authentication mode pre-shared-secret\n%s authentication remote-id %s", psk, d.remoteID, psk, d.key, peer, peer, d.remoteID)
	d.put("%s connection-type %s", peer, map[bool]string{true: "initiate", false: "respond"}[d.begins])
	d.put("%s ike-group %s-IKE\n%s default-esp-group %s-ESP", peer, d.name, peer, d.name)
	if d.local.IsValid() {
		d.put("%s local-address %v", peer, d.local)
	} else {
		d.put("%s local-address any", peer)
	}
	d.put("%s remote-address %v", peer, d.remote)
	for i, p := range d.pairs {
		d.put("%s tunnel %d local prefix %v\n%s tunnel %d remote prefix %v", peer, i+1, p.local, peer, i+1, p.remote)
	}
}

func writePfSense(d *draft) {
	d.head()
	d.natTraps()
	d.exempt()
	d.clamp("System > Advanced > Firewall & NAT: MSS clamping on VPN traffic")
	d.trap("pfSense has no lifetime in KB: this side replaces the SAs when %d KB have passed.", d.kb)
	d.put("VPN > IPsec > Tunnels > Add P1\n  Description: %s\n  Key Exchange version: IKEv1\n  Interface: %s\n  Remote Gateway: %v", d.name, d.iface, d.remote)
	d.put("  Authentication Method: Mutual PSK\n  Negotiation mode: %s", map[bool]string{true: "Aggressive", false: "Main"}[d.aggressive])
	mine := "My IP address"
	if d.localID.Kind != 0 {
		mine = kinded("Fully qualified domain name:", "IP address:", d.localID.Text, named(d.localID))
	}
	d.put("  My identifier: %s\n  Peer identifier: %s", mine, kinded("Fully qualified domain name:", "IP address:", d.remoteID.Text, named(d.remoteID)))
	d.put("  Pre-Shared Key: %s\n  Encryption: %s, Hash %s, DH Group %s\n  Life Time: %d", d.key, d.phase1.cipher, d.phase1.hash, d.phase1.group, d.life1)
	d.put("  Child SA Start Action: %s", map[bool]string{true: "Initiate at start", false: "Default"}[d.begins])
	if d.dpd.Delay != 0 {
		every := d.dpdEvery(1, 86400)
		d.put("  Dead Peer Detection: Delay %d, Max failures %d", every, d.dpdTries(every, 1, 100))
	}
	pfs := d.phase2.group
	if pfs == "" {
		pfs = "off"
	}
	for _, p := range d.pairs {
		d.put("Add P2\n  Mode: Tunnel\n  Local Network: Network %v, NAT/BINAT None\n  Remote Network: Network %v", p.local, p.remote)
		d.put("  Protocol: ESP; Encryption: %s; Hash: %s; PFS key group: %s; Life Time: %d", d.phase2.cipher, d.phase2.hash, pfs, d.life2)
		d.put("Firewall > Rules > IPsec: pass any protocol from %v to %v", p.remote, p.local)
	}
	d.done(d.name + ".txt")
}

func writeWindows(d *draft) {
	d.head()
	d.natTraps()
	d.exempt()
	d.clamp("Windows has no clamp: set the MTU of the inside interface with Set-NetIPInterface -NlMtuBytes")
	d.trap("Behind NAT, or with this gateway behind NAT, Windows needs AssumeUDPEncapsulationContextOnSendRule = 2 under HKLM:\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent and a restart.")
	n := func(s string) string { return psText(d.name + s) }
	d.put("$p1 = New-NetIPsecMainModeCryptoProposal -Encryption %s -Hash %s -KeyExchange %s", d.phase1.cipher, d.phase1.hash, d.phase1.group)
	d.put("$mm = New-NetIPsecMainModeCryptoSet -DisplayName %s -Proposal $p1 -MaxMinutes %d", n(" P1"), d.life1/60)
	d.put("$ap = New-NetIPsecAuthProposal -Machine -PreSharedKey %s\n$as = New-NetIPsecPhase1AuthSet -DisplayName %s -Proposal $ap", d.key, n(" auth"))
	d.put("New-NetIPsecMainModeRule -DisplayName %s -LocalAddress %v -RemoteAddress %v -MainModeCryptoSet $mm.Name -Phase1AuthSet $as.Name", n(" MM"), d.local, d.remote)
	d.put("$p2 = New-NetIPsecQuickModeCryptoProposal -Encapsulation ESP -Encryption %s -ESPHash %s -MaxMinutes %d -MaxKiloBytes %d", d.phase2.cipher, d.phase2.hash, d.life2/60, d.device.KB.nearest(d.kb))
	pfs := d.phase2.group
	if pfs == "" {
		pfs = "None"
	}
	d.put("$qm = New-NetIPsecQuickModeCryptoSet -DisplayName %s -Proposal $p2 -PerfectForwardSecrecyGroup %s", n(" P2"), pfs)
	for i, p := range d.pairs {
		d.put("New-NetIPsecRule -DisplayName '%s %d' -Mode Tunnel -LocalAddress %v -RemoteAddress %v -LocalTunnelEndpoint %v -RemoteTunnelEndpoint %v -InboundSecurity Require -OutboundSecurity Require -Phase1AuthSet $as.Name -QuickModeCryptoSet $qm.Name -KeyModule IKEv1",
			d.name, i+1, p.local, p.remote, d.local, d.remote)
	}
	d.done(d.name + ".ps1")
}
