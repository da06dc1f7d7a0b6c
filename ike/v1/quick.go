package v1

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// linger is how long a finished exchange still answers duplicates: most of
// a peer's resends fall into it.
const linger = time.Minute

// phase is how far a quick mode is.
type phase uint8

const (
	away        phase = iota // Diffie-Hellman is being computed
	wantAnswer               // initiator ← QM2
	wantProof                // responder ← QM3
	unconfirmed              // responder that waits no longer, and has left its inbound SA
	finished
)

// quick is one quick mode (RFC 2409 §5.5): one selector pair, two SAs.
type quick struct {
	mid       uint32
	child     ike.Child
	initiator bool
	phase     phase
	begun     time.Time
	ends      time.Time // of a finished one: when it is forgotten
	flight    flight
	replies   replies
	iv        []byte

	choice        choice
	encap         uint64 // what we offer as encapsulation mode
	exponent      crypt.Exponent
	ni, nr        []byte
	public        []byte // ours, with PFS
	shared        []byte // with PFS
	spiIn, spiOut uint32
	ids           []isakmp.Payload // as responder: the peer's, echoed
	installed     bool             // the inbound SA was asked for
	from          netip.AddrPort   // the peer's address in it
	resent        int              // how often QM2 went out unasked
}

func (q *quick) wake() time.Time { return earliest(q.flight.wake, q.ends) }

// sortedQuicks are the quick modes in the order of their message ids: what a
// map's order decides could not be replayed.
func (s *Session) sortedQuicks() []*quick {
	list := make([]*quick, 0, len(s.quicks))
	for _, q := range s.quicks {
		list = append(list, q)
	}
	slices.SortFunc(list, func(a, b *quick) int { return cmp.Compare(a.mid, b.mid) })
	return list
}

// keep and drop hold the quick modes; most of a session's life there is none.
func (s *Session) keep(q *quick) {
	if s.quicks == nil {
		s.quicks = map[uint32]*quick{}
	}
	s.quicks[q.mid] = q
}

func (s *Session) drop(q *quick) {
	if delete(s.quicks, q.mid); len(s.quicks) == 0 {
		s.quicks = nil
	}
}

// quickComputed takes what a job of a quick mode brings back, and tells whether
// the quick mode still goes on. It fails when the job did: the peer's public
// value is none.
func (s *Session) quickComputed(q *quick, result any) (computed, bool) {
	c, ok := result.(computed)
	if !ok || s.quicks[q.mid] != q || q.phase == finished {
		return c, false
	}
	if c.err != nil {
		s.failQuick(q, malformed(c.err.Error()).fault)
		s.notifyAuthentic(isakmp.InvalidKey, q.spiOut)
		return c, false
	}
	return c, true
}

// encapMode is the encapsulation mode to offer: after NAT traversal ESP goes in
// UDP (RFC 3947 §5.1).
func (s *Session) encapMode() uint64 {
	if s.floated() {
		return s.ext.natt.encap()
	}
	return isakmp.EncapTunnel
}

// encapFits accepts what a peer makes of the encapsulation mode. Some write
// plain tunnel though both have floated, or the RFC's number after a draft.
func (s *Session) encapFits(mode uint64) bool {
	switch mode {
	case isakmp.EncapTunnel:
		return true
	case isakmp.EncapUDPTunnel, isakmp.EncapUDPTunnelDraft:
		return s.floated()
	}
	return false
}

// payloads are SA, nonce and, with PFS, our public value.
func (q *quick) payloads(sa, nonce []byte) []isakmp.Payload {
	chain := []isakmp.Payload{{Type: isakmp.SA, Body: sa}, {Type: isakmp.Nonce, Body: nonce}}
	if q.public != nil {
		chain = append(chain, isakmp.Payload{Type: isakmp.KE, Body: q.public})
	}
	return chain
}

// sealQuick encrypts the exchange's next message.
func (s *Session) sealQuick(q *quick, chain []isakmp.Payload) []byte {
	data, next := s.secrets.seal(q.iv, s.header(isakmp.QuickMode, q.mid), chain)
	q.iv = next
	return data
}

// takeQuick takes a message of quick mode. Duplicates are answered before
// anything is decrypted.
func (s *Session) takeQuick(m message) {
	if s.state != established || m.Initiator != s.cookies.Initiator || m.Responder != s.cookies.Responder ||
		m.MessageID == 0 || m.Flags&isakmp.Encrypted == 0 {
		return
	}
	q := s.quicks[m.MessageID]
	if q == nil {
		s.takeQM1(m)
		return
	}
	if r := q.replies.find(m.raw); r != nil {
		if s.answerAgain(r, s.remote) {
			q.flight.postpone(s.now)
		}
		return
	}
	switch q.phase {
	case wantAnswer:
		s.takeQM2(q, m)
	case wantProof, unconfirmed:
		s.takeQM3(q, m)
	}
}

// acceptQuick keeps what a verified message changed.
func (s *Session) acceptQuick(q *quick, step string, o opened, m message) {
	q.iv = append([]byte(nil), o.next...)
	q.replies.took(m.raw)
	q.flight.answered()
	s.authentic(m)
	s.report(ike.Report{Kind: ike.MessageIn, Exchange: m.Exchange.String(), Step: step, Bytes: len(m.raw)})
}

// proposed is what QM1 and QM2 carry.
type proposed struct {
	sa     isakmp.SecurityAssociation
	nonce  []byte
	public []byte // nil without PFS
	ids    []isakmp.Payload
}

func readProposed(o opened) (proposed, error) {
	var p proposed
	for _, t := range []isakmp.PayloadType{isakmp.SA, isakmp.Nonce, isakmp.KE} {
		if n := len(isakmp.All(o.chain, t)); n > 1 {
			return p, fmt.Errorf("%w: %d payloads of type %d", isakmp.ErrMalformed, n, t)
		}
	}
	sa, err := isakmp.ParseSA(o.get(isakmp.SA))
	if err != nil {
		return p, err
	}
	p.sa = sa
	p.nonce = append([]byte(nil), o.get(isakmp.Nonce)...)
	if len(p.nonce) < minNonce || len(p.nonce) > maxNonce {
		return p, fmt.Errorf("%w: a nonce of %d bytes", isakmp.ErrMalformed, len(p.nonce))
	}
	if ke, ok := isakmp.Find(o.chain, isakmp.KE); ok {
		p.public = append([]byte{}, ke...)
	}
	for _, body := range isakmp.All(o.chain, isakmp.ID) {
		p.ids = append(p.ids, isakmp.Payload{Type: isakmp.ID, Body: body})
	}
	if len(p.ids) != 0 && len(p.ids) != 2 {
		return p, fmt.Errorf("%w: %d identities instead of none or two", isakmp.ErrMalformed, len(p.ids))
	}
	return p, nil
}

// selector reads the pair that the identities name: first the initiator's
// network, then the responder's. Without them it is the two hosts.
func (s *Session) selector(ids []isakmp.Payload, initiator bool) (xfrm.Selector, error) {
	if len(ids) == 0 {
		return xfrm.Selector{Local: host(s.local.Addr()), Remote: host(s.remote.Addr())}, nil
	}
	first, err := readNetwork(ids[0].Body)
	if err != nil {
		return xfrm.Selector{}, err
	}
	second, err := readNetwork(ids[1].Body)
	if err != nil {
		return xfrm.Selector{}, err
	}
	if initiator {
		return xfrm.Selector{Local: first, Remote: second}, nil
	}
	return xfrm.Selector{Local: second, Remote: first}, nil
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
