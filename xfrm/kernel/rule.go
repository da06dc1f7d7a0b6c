package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/twinspan/twinspan/xfrm"
)

// rule is one policy as the kernel holds it: one direction of an xfrm.Policy.
// It is kept in the kernel's own bytes, so that to compare two rules is to
// compare two arrays; what the kernel counts or numbers by itself is zero.
type rule struct {
	info [sizePolicyInfo]byte
	tmpl [sizeTmpl]byte // zeros without a template
	ifID uint32
	odd  bool // has what no rule of ours has, such as two templates
}

// ruleKey is what the kernel tells policies apart by: of two with the same key
// the later replaces the earlier.
type ruleKey struct {
	sel  [sizeSelector]byte
	dir  uint8
	ifID uint32
}

// Where the fields of xfrm_userpolicy_info are.
const (
	atCurrent  = sizeSelector + sizeLifetime
	atPriority = atCurrent + sizeCurrent
	atIndex    = atPriority + 4
	atDir      = atIndex + 4
	atAction   = atDir + 1
)

func (r *rule) key() ruleKey {
	return ruleKey{[sizeSelector]byte(r.info[:sizeSelector]), r.info[atDir], r.ifID}
}

// rules makes the three rules of a policy: out, and in and forward for what
// comes back through the tunnel, to this host or to those behind it.
func rules(p xfrm.Policy) [3]rule {
	there := rule{ifID: p.IfID}
	appendRule(there.info[:0], p.Sel.Local, p.Sel.Remote, p, dirOut)
	back := rule{ifID: p.IfID}
	appendRule(back.info[:0], p.Sel.Remote, p.Sel.Local, p, dirIn)
	if p.Action == xfrm.Protect {
		appendTmpl(there.tmpl[:0], p.TunnelLocal, p.TunnelRemote, p.ReqID)
		appendTmpl(back.tmpl[:0], p.TunnelRemote, p.TunnelLocal, p.ReqID)
	}
	forward := back
	forward.info[atDir] = dirForward
	return [3]rule{there, back, forward}
}

// appendRule writes an xfrm_userpolicy_info.
func appendRule(b []byte, src, dst netip.Prefix, p xfrm.Policy, dir byte) []byte {
	b = appendSelector(b, src.Masked(), dst.Masked())
	b = appendLimits(b, xfrm.Limit{}, xfrm.Limit{})
	b = appendZeros(b, sizeCurrent)
	b = native.AppendUint32(b, uint32(p.Priority))
	b = native.AppendUint32(b, 0) // index: the kernel numbers them
	action := byte(actionAllow)
	if p.Action == xfrm.Block {
		action = actionBlock
	}
	return append(b, dir, action, 0, 0, 0, 0, 0, 0)
}

// appendTmpl writes an xfrm_user_tmpl: ESP in tunnel mode between two
// addresses, with any algorithms, since those are the SA's affair.
func appendTmpl(b []byte, src, dst netip.Addr, reqID uint32) []byte {
	b = appendID(b, 0, dst)
	b = native.AppendUint16(b, family(dst))
	b = appendZeros(b, 2)
	b = appendAddr(b, src)
	b = native.AppendUint32(b, reqID)
	b = append(b, modeTunnel, 0, 0, 0)
	for range 3 {
		b = native.AppendUint32(b, anyAlgorithm)
	}
	return b
}

// appendUpdate writes the body of XFRM_MSG_UPDPOLICY, which adds or replaces.
func (r *rule) appendUpdate(b []byte) []byte {
	b = append(b, r.info[:]...)
	if r.tmpl != [sizeTmpl]byte{} {
		b = native.AppendUint16(b, attrHeader+sizeTmpl)
		b = native.AppendUint16(b, attrTmpl)
		b = append(b, r.tmpl[:]...)
	}
	return attrUint32(b, attrIfID, r.ifID)
}

// appendDelete writes the body of XFRM_MSG_DELPOLICY.
func (r *rule) appendDelete(b []byte) []byte {
	b = append(b, r.info[:sizeSelector]...)
	b = append(b, 0, 0, 0, 0, r.info[atDir], 0, 0, 0) // index 0: found by selector
	return attrUint32(b, attrIfID, r.ifID)
}

// decodeRule reads the body of XFRM_MSG_NEWPOLICY.
func decodeRule(body []byte) (rule, bool) {
	r := reader{b: body}
	var got rule
	copy(got.info[:], r.take(sizePolicyInfo))
	if !r.ok() {
		return rule{}, false
	}
	clear(got.info[atCurrent:atPriority])
	clear(got.info[atIndex:atDir])
	whole := eachAttr(r.b, func(kind uint16, body []byte) {
		switch kind {
		case attrTmpl:
			got.odd = got.odd || copy(got.tmpl[:], body) != sizeTmpl || len(body) != sizeTmpl
		case attrIfID:
			got.ifID = uint32Of(body)
		case attrPolicyType:
			got.odd = got.odd || len(body) == 0 || body[0] != policyTypeMain
		}
	})
	return got, whole
}

// policy is the xfrm.Policy whose outbound rule this is.
func (r *rule) policy() (xfrm.Policy, bool) {
	in := reader{b: r.info[:]}
	sel := in.selector()
	p := xfrm.Policy{
		Sel: xfrm.Selector{Local: sel.src, Remote: sel.dst}, IfID: r.ifID,
		Priority: int(native.Uint32(r.info[atPriority:])),
	}
	if r.odd || sel.narrowed || r.info[atDir] != dirOut || !sel.src.IsValid() {
		return xfrm.Policy{}, false
	}
	switch {
	case r.info[atAction] == actionBlock:
		p.Action = xfrm.Block
	case r.tmpl == [sizeTmpl]byte{}:
		return xfrm.Policy{}, false // lets everything pass in clear: none of ours
	default:
		p.Action = xfrm.Protect
		p.TunnelLocal, p.TunnelRemote, p.ReqID = decodeTmpl(r.tmpl[:])
	}
	return p, true
}

// decodeTmpl reads an xfrm_user_tmpl.
func decodeTmpl(b []byte) (src, dst netip.Addr, reqID uint32) {
	r := reader{b: b}
	to := r.addr()
	r.skip(8)
	family := r.u16()
	r.skip(2)
	from := r.addr()
	return from.in(family), to.in(family), r.u32()
}

// checkPolicy says what no kernel, or no policy of ours, can be.
func checkPolicy(p xfrm.Policy) error {
	sel := p.Sel
	switch {
	case !xfrm.IsOurs(p.IfID):
		return fmt.Errorf("if_id %#x is not one of ours", p.IfID)
	case !sel.Local.IsValid() || !sel.Remote.IsValid() || sel.Local.Addr().Is4() != sel.Remote.Addr().Is4():
		return errors.New("the selector needs two networks of one family")
	case sel.Local.Addr().Is4In6() || sel.Remote.Addr().Is4In6():
		return errors.New("the selector has IPv4 networks in the form of IPv6")
	case p.Priority < 0 || uint64(p.Priority) > 1<<32-1:
		return fmt.Errorf("priority %d is not a number of 32 bits", p.Priority)
	}
	switch p.Action {
	case xfrm.Block:
		return nil
	case xfrm.Protect:
		return checkEnds(p.TunnelLocal, p.TunnelRemote)
	}
	return fmt.Errorf("action %d is neither protect nor block", p.Action)
}
