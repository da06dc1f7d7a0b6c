package netcfg

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// The guard is this table, in nft's words; for IPv6 the same again with pairs6
// and ways6. A pair may overlap the gateways' own addresses, so the ESP and IKE
// of this host pass, and so does neighbour discovery, without which they would
// not find their way. They do not pass where this host is a router only.
//
//	table inet twinspan {
//	  set pairs4 { type ipv4_addr . ipv4_addr; flags interval }           # local . remote
//	  set ways4  { type ipv4_addr . ipv4_addr . ifname; flags interval }  # local . remote . device
//	  chain leave  { ip saddr . ip daddr . oifname @ways4 return; counter drop }
//	  chain arrive { ip daddr . ip saddr . iifname @ways4 return; counter drop }
//	  chain forward {
//	    type filter hook forward priority filter; policy accept
//	    ip saddr . ip daddr @pairs4 jump leave
//	    ip daddr . ip saddr @pairs4 jump arrive
//	  }
//	  chain output {
//	    type filter hook output priority filter; policy accept
//	    oifname lo / ESP / IKE / neighbour discovery accept
//	    ip saddr . ip daddr @pairs4 jump leave
//	  }
//	  chain input { ... iifname ... jump arrive }
//	  chain rerouted {
//	    type filter hook postrouting priority filter; policy accept
//	    as in output, and: rt ipsec exists accept
//	    ip saddr . ip daddr @pairs4 jump leave
//	  }
//	}
//
// Forward, input and output rather than prerouting and postrouting alone,
// because they know whether a packet is this host's own. Postrouting besides,
// because a mark set in output can send a packet another way after its check; it
// comes before source address translation. A packet on its way from an XFRM
// interface into its SA passes postrouting a second time, in clear and with the
// outer device: that is what "rt ipsec" lets through.
//
// One thing is not let through: later fragments of IKE over IPv6 between outer
// addresses that lie inside a pair, on a host without connection tracking. They
// have no port, and letting fragments in would let anybody complete with one what
// came through a tunnel.
const (
	tableName   = "twinspan"
	standInName = "twinspan-standin"
)

// family4or6 is what differs between the address families.
type family4or6 struct {
	protocol     byte   // NFPROTO
	source, dest uint32 // offsets in the IP header
	size         uint32 // of an address
	pairs, ways  string // names of sets
	address      nftables.SetDatatype
}

func families() [2]family4or6 {
	return [2]family4or6{
		{unix.NFPROTO_IPV4, 12, 16, 4, "pairs4", "ways4", nftables.TypeIPAddr},
		{unix.NFPROTO_IPV6, 8, 24, 16, "pairs6", "ways6", nftables.TypeIP6Addr},
	}
}

// chain is one chain of the guard.
type chain struct {
	name  string
	hook  *nftables.ChainHook // nil for one that is jumped to
	rules []rule
}

// rule is one rule of a chain. The comment says the same as the expressions, in
// nft's words: a guard found in the kernel is known by its comments.
type rule struct {
	comment string
	exprs   []expr.Any
}

// chains are all chains, those that are jumped to first. The kernel refuses "rt
// ipsec" when it was built without XFRM.
func chains(xfrm bool) []chain {
	leave := chain{name: "leave"}
	arrive := chain{name: "arrive"}
	for _, f := range families() {
		leave.rules = append(leave.rules, f.way(true))
		arrive.rules = append(arrive.rules, f.way(false))
	}
	drop := rule{"not through its device: drop", []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}}
	leave.rules = append(leave.rules, drop)
	arrive.rules = append(arrive.rules, drop)

	rerouted := chain{"rerouted", nftables.ChainHookPostrouting, own(true)}
	if xfrm {
		rerouted.rules = append(rerouted.rules, encrypts())
	}
	rerouted.rules = append(rerouted.rules, jumps(true)...)
	return []chain{
		leave, arrive,
		{"forward", nftables.ChainHookForward, append(jumps(true), jumps(false)...)},
		{"output", nftables.ChainHookOutput, append(own(true), jumps(true)...)},
		{"input", nftables.ChainHookInput, append(own(false), jumps(false)...)},
		rerouted,
	}
}

// pair loads the addresses as local . remote into the registers from
// NFT_REG32_00 on.
func (f family4or6) pair(leaving bool) []expr.Any {
	local, remote := f.source, f.dest
	if !leaving {
		local, remote = remote, local
	}
	load := func(offset, register uint32) expr.Any {
		return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.size}
	}
	return append(is(expr.MetaKeyNFPROTO, f.protocol),
		load(local, unix.NFT_REG32_00), load(remote, unix.NFT_REG32_00+f.size/4))
}

func (f family4or6) words(leaving bool) string {
	ip := "ip"
	if f.protocol == unix.NFPROTO_IPV6 {
		ip = "ip6"
	}
	if leaving {
		return ip + " saddr . " + ip + " daddr"
	}
	return ip + " daddr . " + ip + " saddr"
}

func jumps(leaving bool) []rule {
	to := "arrive"
	if leaving {
		to = "leave"
	}
	var rules []rule
	for _, f := range families() {
		rules = append(rules, rule{f.words(leaving) + " @" + f.pairs + " jump " + to, append(f.pair(leaving),
			&expr.Lookup{SourceRegister: unix.NFT_REG32_00, SetName: f.pairs},
			&expr.Verdict{Kind: expr.VerdictJump, Chain: to})})
	}
	return rules
}

// way returns when the packet goes through a device of its pair.
func (f family4or6) way(leaving bool) rule {
	key, word := expr.MetaKeyIIFNAME, " . iifname @"
	if leaving {
		key, word = expr.MetaKeyOIFNAME, " . oifname @"
	}
	return rule{f.words(leaving) + word + f.ways + " return", append(f.pair(leaving),
		&expr.Meta{Key: key, Register: unix.NFT_REG32_00 + 2*f.size/4},
		&expr.Lookup{SourceRegister: unix.NFT_REG32_00, SetName: f.ways},
		&expr.Verdict{Kind: expr.VerdictReturn})}
}

// own accepts what belongs to this host itself: what stays in it, and what
// carries the tunnels.
func own(leaving bool) []rule {
	device, name, offset, port := expr.MetaKeyIIFNAME, "iifname", uint32(2), "udp dport"
	if leaving {
		device, name, offset, port = expr.MetaKeyOIFNAME, "oifname", 0, "udp sport"
	}
	return []rule{
		accept(name+" lo", is(device, interfaceName("lo")...)),
		accept("meta l4proto esp", is(expr.MetaKeyL4PROTO, unix.IPPROTO_ESP)),
		accept(port+" 500", portIs(offset, 500)),
		accept(port+" 4500", portIs(offset, 4500)),
		accept("icmpv6 type nd-neighbor-solicit", icmp6Is(135)),
		accept("icmpv6 type nd-neighbor-advert", icmp6Is(136)),
	}
}

// encrypts accepts what an IPsec policy is about to encrypt.
func encrypts() rule {
	const rtXFRM = 4 // NFT_RT_XFRM
	return accept("rt ipsec exists", []expr.Any{
		&expr.Rt{Register: unix.NFT_REG_1, Key: rtXFRM},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{1}},
	})
}

func accept(what string, match []expr.Any) rule {
	return rule{what + " accept", append(match, &expr.Verdict{Kind: expr.VerdictAccept})}
}

func is(key expr.MetaKey, value ...byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: value},
	}
}

// portIs matches UDP; the source port is at offset 0, the destination at 2.
func portIs(offset uint32, port uint16) []expr.Any {
	return append(is(expr.MetaKeyL4PROTO, unix.IPPROTO_UDP),
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: binary.BigEndian.AppendUint16(nil, port)})
}

func icmp6Is(kind byte) []expr.Any {
	return append(is(expr.MetaKeyL4PROTO, unix.IPPROTO_ICMPV6),
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseTransportHeader, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{kind}})
}

// interfaceName is a name as the kernel compares it.
func interfaceName(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func comment(text string) []byte {
	return userdata.AppendString(nil, userdata.TypeComment, text)
}
