package peerconfig

import (
	"fmt"
	"strings"

	"github.com/twinspan/twinspan/ike"
)

// swanWords is a proposal in strongSwan's and Libreswan's notations, whose
// parts differ in the sign before the group.
func (p proposal) swanWords(beforeGroup string) string {
	text := p.cipher + "-" + p.hash
	if p.group != "" {
		text += beforeGroup + p.group
	}
	return text
}

// swanID is an identity; the @ keeps a name from being looked up.
func swanID(id ike.ID) string {
	if named(id) {
		return "@" + id.Text
	}
	return id.Text
}

// early is a lifetime less the tenth of it in which the SA is replaced.
func early(n int) int { return n - margin(n) }

func margin(n int) int { return max(n/10, 1) }

// swanStart is when strongSwan begins, and begins again.
func (s sight) swanStart() string {
	if s.begins {
		return "start"
	}
	return "trap"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// writeSwanctl writes what swanctl loads: a connection and its secret. The
// lifetime that IKEv1 announces is reauth_time and over_time together.
func writeSwanctl(d *draft) {
	d.head()
	d.remark("As /etc/swanctl/conf.d/%s.conf with mode 0600; then: swanctl --load-all", d.name)
	d.natTraps()
	d.swanTraps("charon.i_dont_care_about_security_and_use_aggressive_mode_psk = yes in strongswan.conf")
	d.puts("connections {")
	d.put("    %s {", d.name)
	d.put("        version = 1")
	d.put("        aggressive = %s", yes(d.aggressive))
	if d.local.IsValid() {
		d.put("        local_addrs = %v", d.local)
	}
	d.put("        remote_addrs = %v", d.remote)
	d.put("        proposals = %s", d.phase1.swanWords("-"))
	d.puts("        rekey_time = 0s")
	d.put("        reauth_time = %ds", early(d.life1))
	d.put("        over_time = %ds", margin(d.life1))
	d.puts("        keyingtries = 0")
	if d.natt == ike.NATTForce {
		d.puts("        encap = yes")
	}
	if d.dpd.Delay != 0 {
		d.put("        dpd_delay = %ds", d.dpdEvery(1, 86400))
		d.put("        dpd_timeout = %ds", d.dpdTimeout())
	}
	d.swanctlEnds()
	d.puts("        children {")
	for i, p := range d.pairs {
		d.swanctlChild(i, p)
	}
	d.puts("        }", "    }", "}", "secrets {")
	d.put("    ike-%s {", d.name)
	if id, ok := d.ownID(); ok {
		d.put("        id-1 = %s", swanID(id))
	}
	d.put("        id-2 = %s", swanID(d.remoteID))
	d.put("        secret = %s", d.key)
	d.puts("    }", "}")
	d.done("/etc/swanctl/conf.d/" + d.name + ".conf")
}

func (d *draft) swanctlEnds() {
	d.puts("        local {", "            auth = psk")
	if id, ok := d.ownID(); ok {
		d.put("            id = %s", swanID(id))
	}
	d.puts("        }", "        remote {", "            auth = psk")
	d.put("            id = %s", swanID(d.remoteID))
	d.puts("        }")
}

// swanctlChild writes one pair. Without limits of its own swanctl announces no
// lifetime in KB, and an hour whatever rekey_time is.
func (d *draft) swanctlChild(i int, p pair) {
	d.put("            %s-%d {", d.name, i+1)
	d.puts("                mode = tunnel")
	d.put("                local_ts = %v", p.local)
	d.put("                remote_ts = %v", p.remote)
	d.put("                esp_proposals = %s", d.phase2.swanWords("-"))
	d.put("                life_time = %ds", d.life2)
	d.put("                rekey_time = %ds", early(d.life2))
	d.put("                life_bytes = %d", d.kb*1024)
	d.put("                rekey_bytes = %d", d.kb*1024/10*9)
	d.put("                start_action = %s", d.swanStart())
	d.put("                close_action = %s", d.swanStart())
	if d.dpd.Delay != 0 {
		d.put("                dpd_action = %s", d.swanAfterDeath())
	}
	d.puts("            }")
}

func (s sight) swanAfterDeath() string {
	if s.begins {
		return "restart"
	}
	return "trap"
}

// swanTraps are those of both files of strongSwan.
func (d *draft) swanTraps(aggressive string) {
	d.exempt()
	d.clamp(fmt.Sprintf("on Linux: nft add rule inet filter forward ip daddr { %s } tcp flags syn tcp option maxseg size set %d", joined(d.remotes(), ", "), d.mss()))
	if d.aggressive {
		d.trap("strongSwan answers in aggressive mode only with %s.", aggressive)
	}
}

// joined lists what has a String.
func joined[T fmt.Stringer](list []T, between string) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = v.String()
	}
	return strings.Join(texts, between)
}

// writeStroke writes ipsec.conf and ipsec.secrets. IKEv1 has one pair in each
// SA, so that each pair is a conn, and they share the rest.
func writeStroke(d *draft) {
	d.head()
	d.remark("As /etc/ipsec.d/%s.conf, with: include /etc/ipsec.d/*.conf in /etc/ipsec.conf; then: ipsec reload", d.name)
	d.natTraps()
	d.swanTraps("charon.i_dont_care_about_security_and_use_aggressive_mode_psk = yes in strongswan.conf")
	d.put("conn %s", d.name)
	d.puts("    keyexchange=ikev1")
	d.put("    aggressive=%s", yes(d.aggressive))
	d.puts("    authby=secret", "    type=tunnel")
	d.connEnds("%any")
	d.put("    ike=%s!", d.phase1.swanWords("-"))
	d.put("    esp=%s!", d.phase2.swanWords("-"))
	d.put("    ikelifetime=%ds", d.life1)
	d.put("    lifetime=%ds", d.life2)
	d.put("    margintime=%ds", margin(min(d.life1, d.life2)))
	d.puts("    rekeyfuzz=0%")
	d.put("    lifebytes=%d", d.kb*1024)
	d.put("    marginbytes=%d", d.kb*1024/10)
	d.puts("    keyingtries=%forever")
	if d.natt == ike.NATTForce {
		d.puts("    forceencaps=yes")
	}
	auto, dead := "route", "hold"
	if d.begins {
		auto, dead = "start", "restart"
		d.puts("    closeaction=restart")
	}
	d.connDPD(dead, "s")
	d.connPairs(auto)
	d.done("/etc/ipsec.d/" + d.name + ".conf")
	d.secretsFile("include /etc/ipsec.d/*.secrets in /etc/ipsec.secrets; then: ipsec rereadsecrets")
}

// connEnds writes both ends of a conn; unknown is the word for an own address
// that the configuration does not tell.
func (d *draft) connEnds(unknown string) {
	left := unknown
	if d.local.IsValid() {
		left = d.local.String()
	}
	d.put("    left=%s", left)
	if id, ok := d.ownID(); ok {
		d.put("    leftid=%s", swanID(id))
	}
	d.put("    right=%v", d.remote)
	d.put("    rightid=%s", swanID(d.remoteID))
}

func (d *draft) connDPD(action, unit string) {
	if d.dpd.Delay == 0 {
		return
	}
	d.put("    dpddelay=%d%s", d.dpdEvery(1, 86400), unit)
	d.put("    dpdtimeout=%d%s", d.dpdTimeout(), unit)
	d.put("    dpdaction=%s", action)
}

func (d *draft) connPairs(auto string) {
	for i, p := range d.pairs {
		d.put("conn %s-%d", d.name, i+1)
		d.put("    also=%s", d.name)
		d.put("    leftsubnet=%v", p.local)
		d.put("    rightsubnet=%v", p.remote)
		d.put("    auto=%s", auto)
	}
}

// secretsFile writes the file of the key; the identities say whose it is.
func (d *draft) secretsFile(how string) {
	d.remark("The pre-shared key of %s, as /etc/ipsec.d/%s.secrets with mode 0600; with: %s", d.name, d.name, how)
	own := "%any"
	if id, ok := d.ownID(); ok {
		own = swanID(id)
	}
	d.put("%s %s : PSK %s", own, swanID(d.remoteID), d.key)
	d.done("/etc/ipsec.d/" + d.name + ".secrets")
}

// libreNATT is the word of nat-ikev1-method.
var libreNATT = map[ike.NATT]string{ike.NATTRFC: "rfc", ike.NATTDraft: "drafts", ike.NATTOff: "none"}

// writeLibreswan writes a conn for each pair, and the file of the key.
func writeLibreswan(d *draft) {
	d.head()
	d.remark("As /etc/ipsec.d/%s.conf; then: ipsec auto --add %s-1, or: ipsec restart", d.name, d.name)
	d.natTraps()
	d.exempt()
	d.clamp(fmt.Sprintf("on Linux: nft add rule inet filter forward ip daddr { %s } tcp flags syn tcp option maxseg size set %d", joined(d.remotes(), ", "), d.mss()))
	d.trap("Libreswan 4 lets an SA live for a day at most and has no lifetime in KB that IKEv1 announces: this side replaces the SAs when %d KB have passed.", d.kb)
	d.remark("Where the rest of the configuration says it already, this section can go: without it IKEv1 is dropped.")
	d.puts("config setup", "    ikev1-policy=accept")
	d.put("conn %s", d.name)
	d.puts("    ikev2=no")
	d.put("    aggressive=%s", yes(d.aggressive))
	d.puts("    authby=secret", "    type=tunnel")
	d.connEnds("%defaultroute")
	d.put("    ike=%s", d.phase1.swanWords("-"))
	d.put("    esp=%s", d.phase2.swanWords("-"))
	d.put("    pfs=%s", yes(d.phase2.group != ""))
	d.put("    ikelifetime=%ds", d.life1)
	d.put("    salifetime=%ds", d.life2)
	d.put("    rekeymargin=%ds", margin(min(d.life1, d.life2)))
	d.puts("    rekeyfuzz=0%", "    keyingtries=0")
	if word := libreNATT[d.natt]; word != "" {
		d.put("    nat-ikev1-method=%s", word)
	}
	if d.natt == ike.NATTForce {
		d.puts("    encapsulation=yes")
	}
	auto, dead := "ondemand", "hold"
	if d.begins {
		auto, dead = "start", "restart"
	}
	d.connDPD(dead, "")
	d.connPairs(auto)
	d.done("/etc/ipsec.d/" + d.name + ".conf")
	d.secretsFile("include /etc/ipsec.d/*.secrets in /etc/ipsec.secrets; then: ipsec auto --rereadsecrets")
}
