package peerconfig

import "fmt"

func writeSRX(d *draft) {
	d.head()
	d.natTraps()
	d.exempt()
	n, ike, ipsec := d.name, "set security ike", "set security ipsec"
	d.put("%s proposal %s-P1 authentication-method pre-shared-keys", ike, n)
	d.put("%s proposal %s-P1 dh-group %s\n%s proposal %s-P1 authentication-algorithm %s", ike, n, d.phase1.group, ike, n, d.phase1.hash)
	d.put("%s proposal %s-P1 encryption-algorithm %s\n%s proposal %s-P1 lifetime-seconds %d", ike, n, d.phase1.cipher, ike, n, d.life1)
	d.put("%s policy %s-IKE mode %s", ike, n, d.exchange())
	d.put("%s policy %s-IKE proposals %s-P1\n%s policy %s-IKE pre-shared-key %s", ike, n, n, ike, n, d.key)
	d.put("%s gateway %s-GW ike-policy %s-IKE\n%s gateway %s-GW address %v", ike, n, n, ike, n, d.remote)
	d.put("%s gateway %s-GW external-interface %s\n%s gateway %s-GW version v1-only", ike, n, d.iface, ike, n)
	if d.localID.Kind != 0 {
		d.put("%s gateway %s-GW local-identity %s", ike, n, kinded("hostname", "inet", d.localID.Text, named(d.localID)))
	}
	d.put("%s gateway %s-GW remote-identity %s", ike, n, kinded("hostname", "inet", d.remoteID.Text, named(d.remoteID)))
	if d.dpd.Delay != 0 {
		every := d.dpdEvery(10, 60)
		d.put("%s gateway %s-GW dead-peer-detection interval %d\n%s gateway %s-GW dead-peer-detection threshold %d", ike, n, every, ike, n, d.dpdTries(every, 1, 5))
	}
	d.put("%s proposal %s-P2 protocol esp\n%s proposal %s-P2 authentication-algorithm %s", ipsec, n, ipsec, n, d.phase2.hash)
	d.put("%s proposal %s-P2 encryption-algorithm %s\n%s proposal %s-P2 lifetime-seconds %d", ipsec, n, d.phase2.cipher, ipsec, n, d.life2)
	d.kbLine(ipsec + " proposal " + n + "-P2 lifetime-kilobytes %d")
	if d.phase2.group != "" {
		d.put("%s policy %s-IPSEC perfect-forward-secrecy keys %s", ipsec, n, d.phase2.group)
	}
	d.put("%s policy %s-IPSEC proposals %s-P2\n%s vpn %s ike gateway %s-GW", ipsec, n, n, ipsec, n, n)
	d.put("%s vpn %s ike ipsec-policy %s-IPSEC", ipsec, n, n)
	d.put("%s vpn %s establish-tunnels %s", ipsec, n, map[bool]string{true: "immediately", false: "on-traffic"}[d.begins])
	d.srxPolicies()
	d.clamp("the next line says so for all VPNs")
	d.put("set security flow tcp-mss ipsec-vpn mss %d", d.mss())
	d.done(n + ".set")
}

// srxPolicies write a pair of policies for each pair: the SA's networks are
// those of the policy.
func (d *draft) srxPolicies() {
	n := d.name
	for i, p := range d.pairs {
		d.put("set security address-book global address %s-L%d %v\nset security address-book global address %s-R%d %v", n, i+1, p.local, n, i+1, p.remote)
		for _, way := range [][6]string{{"trust", "untrust", "out", "L", "R", "in"}, {"untrust", "trust", "in", "R", "L", "out"}} {
			policy := fmt.Sprintf("set security policies from-zone %s to-zone %s policy %s-%s%d", way[0], way[1], n, way[2], i+1)
			d.put("%s match source-address %s-%s%d destination-address %s-%s%d application any", policy, n, way[3], i+1, n, way[4], i+1)
			d.put("%s then permit tunnel ipsec-vpn %s\n%s then permit tunnel pair-policy %s-%s%d", policy, n, policy, n, way[5], i+1)
		}
	}
	d.put("set security zones security-zone untrust interfaces %s host-inbound-traffic system-services ike", d.iface)
	d.trap("The policies %s-out must stand before any broader one: insert security policies from-zone trust to-zone untrust policy %s-out1 before policy NAME", n, n)
}

// kinded puts the word of an identity's kind before it.
func kinded(name, address, text string, isName bool) string {
	if isName {
		return name + " " + text
	}
	return address + " " + text
}

func writeFortiGate(d *draft) {
	d.head()
	d.natTraps()
	d.exempt()
	d.put("config vpn ipsec phase1-interface\n    edit \"%s\"\n        set interface \"%s\"\n        set ike-version 1", d.name, d.iface)
	d.put("        set mode %s", d.exchange())
	if d.aggressive && named(d.remoteID) {
		d.put("        set peertype one\n        set peerid \"%s\"", d.remoteID)
	} else {
		d.put("        set peertype any")
	}
	if named(d.localID) {
		d.put("        set localid-type fqdn\n        set localid \"%s\"", d.localID)
	}
	d.put("        set net-device disable\n        set proposal %s-%s\n        set dhgrp %s\n        set keylife %d", d.phase1.cipher, d.phase1.hash, d.phase1.group, d.life1)
	d.put("        set nattraversal enable\n        set remote-gw %v\n        set psksecret %s", d.remote, d.key)
	if d.dpd.Delay != 0 {
		every := d.dpdEvery(1, 3600)
		d.put("        set dpd on-idle\n        set dpd-retryinterval %d\n        set dpd-retrycount %d", every, d.dpdTries(every, 1, 10))
	} else {
		d.put("        set dpd disable")
	}
	d.puts("    next", "end", "config vpn ipsec phase2-interface")
	for i, p := range d.pairs {
		d.put("    edit \"%s-%d\"\n        set phase1name \"%s\"\n        set proposal %s-%s", d.name, i+1, d.name, d.phase2.cipher, d.phase2.hash)
		if d.phase2.group == "" {
			d.put("        set pfs disable")
		} else {
			d.put("        set pfs enable\n        set dhgrp %s", d.phase2.group)
		}
		d.put("        set keylife-type both\n        set keylifeseconds %d", d.life2)
		d.kbLine("        set keylifekbs %d")
		d.put("        set auto-negotiate %s", map[bool]string{true: "enable", false: "disable"}[d.begins])
		d.put("        set src-subnet %v %s\n        set dst-subnet %v %s\n    next", p.local.Addr(), mask(p.local), p.remote.Addr(), mask(p.remote))
	}
	d.puts("end")
	d.fortiRules()
	d.done(d.name + ".fortios")
}

func (d *draft) fortiRules() {
	d.puts("config firewall address")
	var local, remote string
	for i, p := range d.locals() {
		d.put("    edit \"%s-L%d\"\n        set subnet %v %s\n    next", d.name, i+1, p.Addr(), mask(p))
		local += fmt.Sprintf(" \"%s-L%d\"", d.name, i+1)
	}
	for i, p := range d.remotes() {
		d.put("    edit \"%s-R%d\"\n        set subnet %v %s\n    next", d.name, i+1, p.Addr(), mask(p))
		remote += fmt.Sprintf(" \"%s-R%d\"", d.name, i+1)
	}
	d.puts("end", "config router static")
	for _, p := range d.remotes() {
		d.put("    edit 0\n        set dst %v %s\n        set device \"%s\"\n    next", p.Addr(), mask(p), d.name)
	}
	d.puts("end")
	d.trap("The policies name the inside interface \"internal\"; write the one that there is, and put them before broader ones.")
	d.puts("config firewall policy")
	for _, way := range [][5]string{{"out", "internal", d.name, local, remote}, {"in", d.name, "internal", remote, local}} {
		d.put("    edit 0\n        set name \"%s-%s\"\n        set srcintf \"%s\"\n        set dstintf \"%s\"\n        set srcaddr%s\n        set dstaddr%s", d.name, way[0], way[1], way[2], way[3], way[4])
		d.put("        set action accept\n        set schedule \"always\"\n        set service \"ALL\"\n        set tcp-mss-sender %d\n        set tcp-mss-receiver %d\n    next", d.mss(), d.mss())
	}
	d.puts("end")
}

// vrpRules are the pairs as the access lists of Huawei and H3C have them.
func (d *draft) vrpRules() {
	for i, p := range d.pairs {
		d.put(" rule %d permit ip source %v %s destination %v %s", 5*(i+1), p.local.Addr(), wildcard(p.local), p.remote.Addr(), wildcard(p.remote))
	}
}

func writeHuawei(d *draft) {
	d.head()
	d.natTraps()
	d.numbersTrap("The numbers 3100 and 10 and the policy VPN")
	d.exempt()
	d.put("acl number 3100")
	d.vrpRules()
	d.put("#\nipsec proposal %s\n encapsulation-mode tunnel\n transform esp\n esp authentication-algorithm %s\n esp encryption-algorithm %s", d.name, d.phase2.hash, d.phase2.cipher)
	d.put("#\nike proposal 10\n encryption-algorithm %s\n dh %s\n authentication-algorithm %s\n authentication-method pre-share\n sa duration %d", d.phase1.cipher, d.phase1.group, d.phase1.hash, d.life1)
	d.put("#\nike peer %s\n undo version 2\n exchange-mode %s\n pre-shared-key cipher %s\n ike-proposal 10", d.name, d.exchange(), d.key)
	if named(d.localID) {
		d.put(" local-id-type fqdn\n local-id %s", d.localID)
	} else {
		d.put(" local-id-type ip")
	}
	if named(d.remoteID) {
		d.put(" remote-id-type fqdn\n remote-id %s", d.remoteID)
	}
	d.put(" remote-address %v", d.remote)
	if d.dpd.Delay != 0 {
		d.put(" dpd type periodic\n dpd idle-time %d", d.dpdEvery(10, 3600))
	}
	d.put("#\nipsec policy VPN 10 isakmp\n security acl 3100")
	if d.phase2.group != "" {
		d.put(" pfs %s", d.phase2.group)
	}
	d.put(" ike-peer %s\n proposal %s\n sa duration time-based %d", d.name, d.name, d.life2)
	d.kbLine(" sa duration traffic-based %d")
	d.put("#\ninterface %s\n tcp adjust-mss %d\n ipsec policy VPN", d.iface, d.mss())
	d.trap("With SHA-2 some VRP versions cut ESP's check value to 96 bits: when the tunnel is up and nothing passes, change ipsec authentication sha2 compatible enable.")
	d.done(d.name + ".vrp")
}

func writeH3C(d *draft) {
	d.head()
	d.natTraps()
	d.numbersTrap("The numbers 3100 and 10 and the policy VPN")
	d.exempt()
	d.put("acl advanced 3100")
	d.vrpRules()
	d.put(" quit\nike proposal 10\n authentication-method pre-share\n authentication-algorithm %s\n encryption-algorithm %s\n dh %s\n sa duration %d\n quit", d.phase1.hash, d.phase1.cipher, d.phase1.group, d.life1)
	d.put("ike keychain %s\n pre-shared-key address %v 255.255.255.255 key simple %s\n quit", d.name, d.remote, d.key)
	d.put("ike profile %s\n exchange-mode %s\n keychain %s\n proposal 10", d.name, d.exchange(), d.name)
	if id, ok := d.ownID(); ok {
		d.put(" local-identity %s", kinded("fqdn", "address", id.Text, named(id)))
	}
	if named(d.remoteID) {
		d.put(" match remote identity fqdn %s", d.remoteID)
	} else {
		d.put(" match remote identity address %s 255.255.255.255", d.remoteID)
	}
	if d.dpd.Delay != 0 {
		d.put(" dpd interval %d retry 5 periodic", d.dpdEvery(1, 300))
	}
	d.put(" quit\nipsec transform-set %s\n encapsulation-mode tunnel\n protocol esp\n esp encryption-algorithm %s\n esp authentication-algorithm %s", d.name, d.phase2.cipher, d.phase2.hash)
	if d.phase2.group != "" {
		d.put(" pfs %s", d.phase2.group)
	}
	d.put(" quit\nipsec policy VPN 10 isakmp\n transform-set %s\n security acl 3100", d.name)
	if d.local.IsValid() {
		d.put(" local-address %v", d.local)
	}
	d.put(" remote-address %v\n ike-profile %s\n sa duration time-based %d", d.remote, d.name, d.life2)
	d.kbLine(" sa duration traffic-based %d")
	d.put(" quit\ninterface %s\n tcp mss %d\n ipsec apply policy VPN\n quit", d.iface, d.mss())
	d.done(d.name + ".h3c")
}

func writeMikroTik(d *draft) {
	d.head()
	d.natTraps()
	dpd := "dpd-interval=disable-dpd"
	if d.dpd.Delay != 0 {
		every := d.dpdEvery(1, 86400)
		dpd = fmt.Sprintf("dpd-interval=%ds dpd-maximum-failures=%d", every, d.dpdTries(every, 1, 100))
	} else {
		d.trap("Without dead peer detection RouterOS does not replace phase 1 when its lifetime ends.")
	}
	d.put("/ip ipsec profile add name=%s hash-algorithm=%s enc-algorithm=%s dh-group=%s lifetime=%ds nat-traversal=yes %s", d.name, d.phase1.hash, d.phase1.cipher, d.phase1.group, d.life1, dpd)
	pfs := d.phase2.group
	if pfs == "" {
		pfs = "none"
	}
	d.put("/ip ipsec proposal add name=%s auth-algorithms=%s enc-algorithms=%s lifetime=%ds pfs-group=%s", d.name, d.phase2.hash, d.phase2.cipher, d.life2, pfs)
	own := ""
	if d.local.IsValid() {
		own = fmt.Sprintf(" local-address=%v", d.local)
	}
	d.put("/ip ipsec peer add name=%s address=%v/32%s profile=%s exchange-mode=%s", d.name, d.remote, own, d.name, d.exchange())
	mine := "auto"
	if d.localID.Kind != 0 {
		mine = kinded("fqdn:", "address:", d.localID.Text, named(d.localID))
	}
	d.put("/ip ipsec identity add peer=%s auth-method=pre-shared-key secret=%s my-id=%s remote-id=%s", d.name, d.key, noSpace(mine), noSpace(kinded("fqdn:", "address:", d.remoteID.Text, named(d.remoteID))))
	d.trap("The level unique gives each pair SAs of its own; with require the second pair would not come up.")
	for _, p := range d.pairs {
		d.put("/ip ipsec policy add peer=%s tunnel=yes src-address=%v dst-address=%v protocol=all action=encrypt level=unique ipsec-protocols=esp proposal=%s", d.name, p.local, p.remote, d.name)
	}
	d.exempt()
	for _, p := range d.pairs {
		d.put("/ip firewall nat add chain=srcnat action=accept place-before=0 src-address=%v dst-address=%v comment=\"no NAT for %s\"", p.local, p.remote, d.name)
	}
	d.clamp("the next lines do so; a fasttrack rule for these networks must go")
	for _, n := range d.remotes() {
		d.put("/ip firewall mangle add chain=forward action=change-mss new-mss=%d passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=%d-65535 dst-address=%v", d.mss(), d.mss()+1, n)
	}
	d.done(d.name + ".rsc")
}
