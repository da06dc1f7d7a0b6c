package peerconfig

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/twinspan/twinspan/ike"
)

// writeTwinspan writes a configuration of our own, with the networks of the
// other side as its VPC.
func writeTwinspan(d *draft) {
	name := tomlName(d.tunnel)
	d.head()
	d.remark("As /etc/twinspan/conf.d/%s.toml with mode 0600; then: twinspan check && twinspan reload", d.name)
	d.natTraps()
	d.exempt()
	if n, most := len(d.locals()), len(d.remotes()); n > 10 || most > 50 {
		d.put("[limits]\nspds_per_tunnel = %d\npeer_networks_per_spd = %d\n", max(n, 10), max(most, 50))
	}
	d.put("[vpc.%s]\ncidr = %s", name, tomlList(d.locals()))
	for i, n := range d.locals() {
		d.put("[vpc.%s.subnet.S%d]\ncidr = \"%v\"\nroute_table = %s", name, i+1, n, tomlText(d.tunnel))
	}
	d.put("[vpn_gateway.%s]\nvpc = %s\npublic_ip = \"%v\"\nbandwidth_mbps = %d\nmtu = %d", name, tomlText(d.tunnel), d.local, d.mbps, d.mtu)
	d.put("[customer_gateway.%s]\npublic_ip = \"%v\"", tomlName(d.gateway), d.remote)
	d.put("[vpn_tunnel.%s]\nvpn_gateway = %s\ncustomer_gateway = %s\npre_shared_key = %s", name, tomlText(d.tunnel), tomlText(d.gateway), d.key)
	d.put("negotiation = %q\nnat_t = \"%v\"", d.negotiation(), d.natt)
	for _, n := range d.locals() {
		d.put("[[vpn_tunnel.%s.spd]]\nlocal = \"%v\"\npeer = %s", name, n, tomlList(d.behind(n)))
	}
	d.put("[vpn_tunnel.%s.ike]\nmode = %q\nencryption = %q\nintegrity = %q\ndh_group = %q\nlifetime_seconds = %d",
		name, strings.ToUpper(strings.TrimSuffix(d.mode(), " mode")), d.phase1.cipher, d.phase1.hash, d.phase1.group, d.life1)
	own, _ := d.ownID()
	d.tomlIdentity("local", own)
	d.tomlIdentity("remote", d.remoteID)
	pfs := d.phase2.group
	if pfs == "" {
		pfs = "disable"
	}
	d.put("[vpn_tunnel.%s.ipsec]\nencryption = %q\nintegrity = %q\npfs = %q\nlifetime_seconds = %d\nlifetime_kb = %d",
		name, d.phase2.cipher, d.phase2.hash, pfs, d.life2, d.kb)
	d.put("[vpn_tunnel.%s.dpd]", name)
	if d.dpd.Delay == 0 {
		d.puts(`action = "off"`)
	} else {
		d.put("delay_seconds = %d\ntimeout_seconds = %d", int(d.dpd.Delay.Seconds()), d.dpdTimeout())
	}
	d.put("[route_table.%s]\nvpc = %s", name, tomlText(d.tunnel))
	for _, n := range d.remotes() {
		d.put("[[route_table.%s.route]]\ndestination = \"%v\"\nnext_hop_type = \"vpn_gateway\"\nnext_hop = %s", name, n, tomlText(d.tunnel))
	}
	d.done("/etc/twinspan/conf.d/" + d.name + ".toml")
}

// negotiation is the device's part: one side begins, or whoever has traffic.
func (s sight) negotiation() string {
	switch {
	case s.begins:
		return "active"
	case s.demand:
		return "flow_trigger"
	}
	return "passive"
}

func (d *draft) tomlIdentity(side string, id ike.ID) {
	if named(id) {
		d.put("%s_identity = \"FQDN\"\n%s_fqdn = %s", side, side, tomlText(id.Text))
		return
	}
	d.put("%s_identity = \"ADDRESS\"\n%s_address = %q", side, side, id.Text)
}

func tomlList(networks []netip.Prefix) string {
	return fmt.Sprintf(`["%s"]`, joined(networks, `", "`))
}

// behind are our networks that one of the device's may talk to.
func (s sight) behind(local netip.Prefix) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range s.pairs {
		if p.local == local {
			all = append(all, p.remote)
		}
	}
	return all
}
