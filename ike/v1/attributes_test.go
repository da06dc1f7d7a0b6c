package v1

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// Attributes that would change what goes over the wire and that we do not know
// must not be echoed as if we did (RFC 2407 §4.5).
func TestAttributesThatWeDoNotHave(t *testing.T) {
	for what, attribute := range map[string]isakmp.Attribute{
		"extended sequence numbers": {Type: 11, Value: 1},
		"key rounds":                {Type: 7, Value: 14},
	} {
		t.Run(what, func(t *testing.T) {
			p := establishedPair(t)
			p.says(p.a, p.a.asks(77, func(sa *isakmp.SecurityAssociation) {
				list := &sa.Proposals[0].Transforms[0].Attributes
				*list = append(*list, attribute)
			}))
			f := p.b.wantFault(ike.Refused, ike.CauseProposal)
			if want := fmt.Sprintf("attribute %d", attribute.Type); !bytes.Contains([]byte(f.Theirs), []byte(want)) {
				t.Errorf("does not name it: %v", f)
			}
		})
	}
	a, b := peers()
	offer := offerIKE(&a)
	list := &offer.Proposals[0].Transforms[0].Attributes
	*list = append(*list, isakmp.Attribute{Type: 13, Value: 1}) // PRF
	if _, _, fault := chooseForAny([]*ike.Peer{&b}, offer); fault == nil {
		t.Error("phase 1 with another PRF is accepted")
	}
	(*list)[len(*list)-1] = isakmp.Attribute{Type: 20000, Value: 1}
	if _, _, fault := chooseForAny([]*ike.Peer{&b}, offer); fault != nil {
		t.Errorf("a vendor's private attribute is refused: %v", fault)
	}
}

// A RESPONDER-LIFETIME of kilobytes says nothing about seconds.
func TestResponderLifetimeOfKilobytes(t *testing.T) {
	for _, c := range []struct {
		what string
		list []isakmp.Attribute
		want ike.Lifetime
	}{
		{"kilobytes", []isakmp.Attribute{{Type: isakmp.ESPLifeType, Value: isakmp.LifeKB}, {Type: isakmp.ESPLife, Value: 5000}}, life(86400, 5000)},
		{"seconds", lifeAttributes(life(600, 0)), life(600, 10000)},
		{"longer ones", lifeAttributes(life(100000, 50000)), life(86400, 10000)},
		{"nothing", nil, life(86400, 10000)},
		{"next to nothing", lifeAttributes(life(1, 1)), life(60, 2560)},
	} {
		s, q := newSession(testEnv(1), netip.AddrPortFrom(addrA, 500), netip.AddrPortFrom(addrB, 500)), &quick{choice: choice{life: life(86400, 10000)}}
		n := notify(isakmp.ResponderLifetime, nil, isakmp.AppendAttributes(nil, isakmp.ProtoESP, c.list))
		junk := isakmp.Payload{Type: isakmp.Notify, Body: []byte{1}}
		s.obeyLifetime(q, opened{chain: []isakmp.Payload{junk, notify(isakmp.ResponderLifetime, nil, []byte{1}), n}})
		if q.choice.life != c.want {
			t.Errorf("%s: %v instead of %v", c.what, q.choice.life, c.want)
		}
	}
}
