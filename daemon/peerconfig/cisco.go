package peerconfig

// kbLine is the lifetime in KB within the device's bounds; where they cut it,
// the shorter one counts.
func (d *draft) kbLine(format string) {
	n := d.device.KB.nearest(d.kb)
	if n != d.kb {
		d.remark("Of %d KB the device takes %d; whichever side counts to its limit first replaces the SA.", d.kb, n)
	}
	d.put(format, n)
}

// numbersTrap tells that the numbers of the file may be taken.
func (d *draft) numbersTrap(what string) {
	d.trap("%s may be in use on the device already: then write others, the same in each place.", what)
}

func writeIOS(d *draft) {
	d.head()
	d.natTraps()
	d.numbersTrap("Policy 200 and the place 10 in the crypto map VPN-MAP")
	d.put("crypto isakmp policy 200\n encryption %s\n hash %s\n authentication pre-share\n group %s\n lifetime %d", d.phase1.cipher, d.phase1.hash, d.phase1.group, d.life1)
	d.put("crypto keyring %s\n pre-shared-key address %v key %s", d.name, d.remote, d.key)
	d.put("crypto isakmp profile %s\n keyring %s", d.name, d.name)
	if named(d.localID) {
		d.trap("The router calls itself by its own name: it must be %s (hostname and ip domain name).", d.localID)
		d.put(" self-identity fqdn")
	} else {
		d.put(" self-identity address")
	}
	if named(d.remoteID) {
		d.put(" match identity host %s", d.remoteID)
	} else {
		d.put(" match identity address %s 255.255.255.255", d.remoteID)
	}
	if d.aggressive {
		d.put(" initiate mode aggressive")
	}
	if d.dpd.Delay != 0 {
		every := d.dpdEvery(10, 3600)
		d.put(" keepalive %d retry %d", every, d.dpdTries(every, 2, 60))
	}
	d.put("crypto ipsec transform-set %s %s %s\n mode tunnel", d.name, d.phase2.cipher, d.phase2.hash)
	d.put("ip access-list extended %s-ACL", d.name)
	for _, p := range d.pairs {
		d.put(" permit ip %v %s %v %s", p.local.Addr(), wildcard(p.local), p.remote.Addr(), wildcard(p.remote))
	}
	d.put("crypto map VPN-MAP 10 ipsec-isakmp\n set peer %v\n set transform-set %s", d.remote, d.name)
	if d.phase2.group != "" {
		d.put(" set pfs %s", d.phase2.group)
	}
	d.put(" set security-association lifetime seconds %d", d.life2)
	d.kbLine(" set security-association lifetime kilobytes %d")
	d.put(" set isakmp-profile %s\n match address %s-ACL", d.name, d.name)
	d.put("interface %s\n crypto map VPN-MAP\n ip tcp adjust-mss %d", d.iface, d.mss())
	d.exempt()
	d.remark("In the access list of the NAT, before any permit:")
	for _, p := range d.pairs {
		d.remark("deny ip %v %s %v %s", p.local.Addr(), wildcard(p.local), p.remote.Addr(), wildcard(p.remote))
	}
	d.done(d.name + ".ios")
}

func writeASA(d *draft) {
	d.head()
	d.natTraps()
	d.numbersTrap("Policy 200 and the place 10 in the crypto map VPN-MAP")
	d.trap("Group 14 with IKEv1 came with 9.13; 9.15 took DES, 3DES, MD5 and groups 2 and 24 away.")
	d.put("crypto ikev1 enable %s", d.iface)
	d.put("crypto ikev1 policy 200\n authentication pre-share\n encryption %s\n hash %s\n group %s\n lifetime %d", d.phase1.cipher, d.phase1.hash, d.phase1.group, d.life1)
	d.put("crypto isakmp identity address\ncrypto isakmp nat-traversal 20")
	d.exempt()
	for i, p := range d.pairs {
		d.put("object network %s-L%d\n subnet %v %s", d.name, i+1, p.local.Addr(), mask(p.local))
		d.put("object network %s-R%d\n subnet %v %s", d.name, i+1, p.remote.Addr(), mask(p.remote))
		d.put("access-list %s-ACL extended permit ip object %s-L%d object %s-R%d", d.name, d.name, i+1, d.name, i+1)
		d.put("nat (inside,%s) source static %s-L%d %s-L%d destination static %s-R%d %s-R%d no-proxy-arp route-lookup",
			d.iface, d.name, i+1, d.name, i+1, d.name, i+1, d.name, i+1)
	}
	d.put("crypto ipsec ikev1 transform-set %s %s %s", d.name, d.phase2.cipher, d.phase2.hash)
	d.put("crypto map VPN-MAP 10 match address %s-ACL", d.name)
	if d.phase2.group != "" {
		d.put("crypto map VPN-MAP 10 set pfs %s", d.phase2.group)
	}
	d.put("crypto map VPN-MAP 10 set peer %v\ncrypto map VPN-MAP 10 set ikev1 transform-set %s", d.remote, d.name)
	if d.aggressive {
		d.put("crypto map VPN-MAP 10 set ikev1 phase1-mode aggressive group%s", d.phase1.group)
	}
	d.put("crypto map VPN-MAP 10 set security-association lifetime seconds %d", d.life2)
	d.kbLine("crypto map VPN-MAP 10 set security-association lifetime kilobytes %d")
	d.put("crypto map VPN-MAP interface %s", d.iface)
	d.put("tunnel-group %v type ipsec-l2l\ntunnel-group %v ipsec-attributes\n ikev1 pre-shared-key %s", d.remote, d.remote, d.key)
	if d.remoteID.Text != d.remote.String() {
		d.put(" peer-id-validate nocheck")
	}
	if d.dpd.Delay == 0 {
		d.put(" isakmp keepalive disable")
	} else {
		d.put(" isakmp keepalive threshold %d retry 5", d.dpdEvery(10, 3600))
	}
	d.put("sysopt connection tcpmss %d", d.mss())
	d.done(d.name + ".asa")
}

// exchange is the mode in the word that most devices have for it.
func (s sight) exchange() string {
	if s.aggressive {
		return "aggressive"
	}
	return "main"
}
