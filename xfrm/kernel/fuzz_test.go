package kernel

import (
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

// FuzzDecode gives every decoder any bytes: none may panic, and what they take
// must be what they say it is.
func FuzzDecode(f *testing.F) {
	sa := sampleSA()
	kinds := []uint16{msgNewSA, msgNewPolicy, msgAcquire, msgExpire, msgMapping, 2, 3}
	f.Add(appendMessage(nil, msgNewSA, 0, 1, func(b []byte) []byte { return appendSA(b, sa, history{}) }))
	f.Add(appendMessage(nil, msgNewPolicy, 0, 1, func(b []byte) []byte {
		r := rules(samplePolicy())[0]
		return r.appendUpdate(b)
	}))
	f.Add(appendMessage(nil, msgAcquire, 0, 1, func(b []byte) []byte { return append(b, acquire(gateway)...) }))
	f.Add(appendMessage(nil, msgExpire, 0, 1, func(b []byte) []byte { return append(b, expire(sa, 1)...) }))
	f.Add(appendMessage(nil, msgMapping, 0, 1, func(b []byte) []byte { return appendSAID(b, sa.ID()) }))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = eachMessage(b, func(m message) error {
			for _, kind := range append(kinds, m.kind) {
				m.kind = kind
				decodeOne(t, m)
			}
			return nil
		})
	})
}

func decodeOne(t *testing.T, m message) {
	if h, whole := decodeSA(m.body); whole {
		_, _ = h.usage(), h.hidden()
		h.becomes(sampleSA(), history{})
	}
	if r, whole := decodeRule(m.body); whole {
		if p, ok := r.policy(); ok && (!p.Sel.Local.IsValid() || p.Action == 0) {
			t.Errorf("policy %+v", p)
		}
	}
	if e, ok := decodeEvent(m); ok {
		if a, is := e.(xfrm.Acquire); is && !xfrm.IsOurs(a.IfID) {
			t.Errorf("not ours: %+v", e)
		}
	}
	_ = answer(m)
	_ = ending(m)
}
