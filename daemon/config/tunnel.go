package config

func tunnel(t *table) Tunnel {
	return Tunnel{
		VPNGateway:      need(t, "vpn_gateway", `"the name of a VPN gateway"`, asWord),
		CustomerGateway: need(t, "customer_gateway", `"the name of a customer gateway"`, asWord),
		Keys:            presharedKeys(t),
		Negotiation:     one(t, "negotiation", asOneOf(Active, Passive, FlowTrigger)),
		NATT:            one(t, "nat_t", asOneOf(NATTAuto, NATTRFC, NATTDraft, NATTOff, NATTForce)),
		SPD:             spd(t),
		IKE:             ike(t.sub("ike")),
		IPsec:           ipsec(t.sub("ipsec")),
		DPD:             dpd(t.sub("dpd")),
		HealthCheck:     healthCheck(t.sub("health_check")),
	}
}

// spd reads a tunnel's policies.
func spd(t *table) []SPD {
	var out []SPD
	for _, s := range t.list("spd", "[[vpn_tunnel.NAME.spd]]") {
		out = append(out, SPD{
			Pos:   s.here(),
			Local: need(s, "local", `"192.168.1.0/24"`, asPrefix),
			Peer:  needMany(s, "peer", `["10.0.1.0/24"]`, asPrefix),
		})
		s.close()
	}
	if _, isTables := tables(t.values["spd"]); len(out) == 0 && (isTables || t.values["spd"] == nil) {
		t.missing("spd", "write [[vpn_tunnel.NAME.spd]] with local and peer: which networks may talk to which")
	}
	return out
}

// ike reads the settings of phase 1.
func ike(t *table) IKE {
	defer t.close()
	one(t, "version", asOneOf("IKEV1"))
	i := IKE{
		Mode:            one(t, "mode", asOneOf(MainMode, AggressiveMode)),
		Encryption:      many(t, "encryption", asWord),
		Integrity:       many(t, "integrity", asWord),
		DHGroup:         many(t, "dh_group", asWord),
		LocalIdentity:   one(t, "local_identity", asOneOf(IdentityAddress, IdentityFQDN)),
		RemoteIdentity:  one(t, "remote_identity", asOneOf(IdentityAddress, IdentityFQDN)),
		LocalAddress:    one(t, "local_address", asAddr),
		RemoteAddress:   one(t, "remote_address", asAddr),
		LocalFQDN:       one(t, "local_fqdn", asName),
		RemoteFQDN:      one(t, "remote_fqdn", asName),
		LifetimeSeconds: one(t, "lifetime_seconds", asInt),
	}
	identity(t, "local", i.LocalIdentity)
	identity(t, "remote", i.RemoteIdentity)
	return i
}

// identity holds one side's kind of identity against the keys for its value: a
// key that the other kind needs would be silently without effect.
func identity(t *table, side string, kind Value[string]) {
	if _, written := t.values[side+"_identity"]; written && !kind.IsSet() {
		return // and reported
	}
	useless, other := side+"_fqdn", IdentityFQDN
	if kind.V == IdentityFQDN {
		useless, other = side+"_address", IdentityAddress
		if _, ok := t.values[side+"_fqdn"]; !ok {
			t.fault(kind.Pos, t.prefix+side+"_fqdn is missing", "write "+side+`_fqdn = "the name that this side calls itself"`)
		}
	}
	if _, ok := t.values[useless]; ok {
		t.fault(t.pos(useless), t.prefix+useless+" has no effect on this kind of identity",
			"write "+side+`_identity = "`+other+`", or take `+useless+" out")
	}
}

// ipsec reads the settings of phase 2.
func ipsec(t *table) IPsec {
	defer t.close()
	one(t, "protocol", asOneOf("ESP"))
	one(t, "encapsulation", asOneOf("TUNNEL"))
	return IPsec{
		Encryption:      many(t, "encryption", asWord),
		Integrity:       many(t, "integrity", asWord),
		PFS:             one(t, "pfs", asWord),
		LifetimeSeconds: one(t, "lifetime_seconds", asInt),
		LifetimeKB:      one(t, "lifetime_kb", asInt),
	}
}

// dpd reads the settings of dead peer detection.
func dpd(t *table) DPD {
	defer t.close()
	d := DPD{
		Action:         one(t, "action", asOneOf(DPDRestart, DPDClear, DPDOff)),
		DelaySeconds:   one(t, "delay_seconds", asInt),
		TimeoutSeconds: one(t, "timeout_seconds", asInt),
	}
	if d.Action.V == DPDOff {
		for _, key := range []string{"delay_seconds", "timeout_seconds"} {
			if _, ok := t.values[key]; ok {
				t.fault(t.pos(key), t.prefix+key+" has no effect with "+t.prefix+`action = "off"`, "take one of the two out")
			}
		}
	}
	return d
}

// healthCheck reads the probe through a tunnel, if there is to be one.
func healthCheck(t *table) HealthCheck {
	defer t.close()
	h := HealthCheck{
		Target:          one(t, "target", asAddr),
		Source:          one(t, "source", asAddr),
		IntervalSeconds: one(t, "interval_seconds", asInt),
		TimeoutMs:       one(t, "timeout_ms", asInt),
		Threshold:       one(t, "threshold", asInt),
	}
	if _, ok := t.values["target"]; t.values != nil && !ok {
		t.missing("target", "write target = "+`"an address of the peer's networks that answers pings"`)
	}
	return h
}
