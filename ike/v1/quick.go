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

// window is how many quick modes of ours go at once. strongSwan remembers the
// IVs of three phase 2 exchanges (charon.max_ikev1_exchanges), of which an
// informational exchange may need one: with more in flight it forgets the IV
// that our third message continues, and can read none of them.
const window = 2

// linger is how long a finished exchange still answers duplicates: longer than
// any peer resends.
const linger = time.Minute

// phase is how far a quick mode is.
type phase uint8

const (
	away       phase = iota // Diffie-Hellman is being computed
	wantAnswer              // initiator ← QM2
	wantProof               // responder ← QM3
	finished
)

// quick is one quick mode (RFC 2409 §5.5): one selector pair, two SAs.
type quick struct {
	mid       uint32
	child     ike.Child
	initiator bool
	phase     phase
	begun     time.Time
	ends      time.Time // of a finished one: when it is forgotten; of a responder's: when it is given up
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

// negotiate queues a quick mode, or begins main mode for it.
func (s *Session) negotiate(n ike.Negotiate) {
	at := len(s.queue)
	if n.Urgent {
		at = slices.IndexFunc(s.queue, func(q ike.Negotiate) bool { return !q.Urgent })
		if at < 0 {
			at = len(s.queue)
		}
	}
	s.queue = slices.Insert(s.queue, at, n)
	if s.state == idle {
		s.beginMain()
	}
}

// startQueued begins quick modes while the window has room.
func (s *Session) startQueued() {
	for s.state == established && len(s.queue) > 0 && s.running() < window {
		n := s.queue[0]
		s.queue = s.queue[1:]
		s.beginQuick(n.Child)
	}
}

// running counts the quick modes of ours that go on.
func (s *Session) running() int {
	n := 0
	for _, q := range s.quicks {
		if q.initiator && q.phase != finished {
			n++
		}
	}
	return n
}

// beginQuick draws what is random and, with PFS, has a key pair made first.
func (s *Session) beginQuick(child ike.Child) {
	q := &quick{mid: s.newMessageID(), child: child, initiator: true, begun: s.now, encap: s.encapMode()}
	q.iv = s.secrets.iv2(s.iv, q.mid)
	q.ni = s.random(make([]byte, nonceSize))
	q.spiIn = s.env.SPI()
	s.quicks[q.mid] = q
	group := child.Proposals[0].Group
	if group == 0 {
		s.sendQM1(q)
		return
	}
	x, err := crypt.NewExponent(group, s.env.Rand)
	if err != nil {
		s.failQuick(q, malformed(err.Error()).fault)
		return
	}
	q.exponent = x
	s.compute(func() any { return publicOf(x) }, func(result any) {
		if s.quickComputed(q, result) {
			q.public = result.(computed).public
			s.sendQM1(q)
		}
	})
}

// quickComputed fails the quick mode when its job failed, and tells whether it
// still goes on.
func (s *Session) quickComputed(q *quick, result any) bool {
	if s.quicks[q.mid] != q || q.phase == finished {
		return false
	}
	if c, _ := result.(computed); c.err != nil {
		s.failQuick(q, malformed(c.err.Error()).fault)
		return false
	}
	return true
}

// encapMode is the encapsulation mode to offer: after NAT traversal ESP goes in
// UDP (RFC 3947 §5.1).
func (s *Session) encapMode() uint64 {
	if s.floated() {
		return isakmp.EncapUDPTunnel
	}
	return isakmp.EncapTunnel
}

// encapFits accepts what a peer makes of the encapsulation mode. Some write
// plain tunnel though both have floated.
func (s *Session) encapFits(mode uint64) bool {
	return mode == isakmp.EncapTunnel || mode == isakmp.EncapUDPTunnel && s.floated()
}

func (s *Session) sendQM1(q *quick) {
	offer := offerESP(q.child, q.spiIn, q.encap).Append(nil)
	chain := q.payloads(offer, q.ni)
	chain = append(chain,
		isakmp.Payload{Type: isakmp.ID, Body: networkID(q.child.Sel.Local).Append(nil)},
		isakmp.Payload{Type: isakmp.ID, Body: networkID(q.child.Sel.Remote).Append(nil)})
	q.phase = wantAnswer
	s.send(&q.flight, s.remote, isakmp.QuickMode, "QM1", s.sealQuick(q, s.secrets.hashed(chain, midBytes(q.mid))))
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
		s.answerAgain(r, s.remote)
		q.flight.postpone(s.now)
		return
	}
	switch q.phase {
	case wantAnswer:
		s.takeQM2(q, m)
	case wantProof:
		s.takeQM3(q, m)
	}
}

// acceptQuick keeps what a verified message changed.
func (s *Session) acceptQuick(q *quick, step string, o opened, m message) {
	q.iv = append([]byte(nil), o.next...)
	q.replies.took(m.raw)
	q.flight.answered()
	s.heard = s.now
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

// sas makes the pair of SAs of a quick mode whose secrets are known. A key that
// makes its cipher weak fails the quick mode: the next one has other keys.
func (s *Session) sas(q *quick) (in, out xfrm.SA, ok bool) {
	suite := q.choice.proposal.Suite()
	life := q.child.Lifetime.Min(q.choice.life)
	in = xfrm.SA{
		Dir: xfrm.In, SPI: q.spiIn, Src: s.remote.Addr(), Dst: s.local.Addr(),
		ReqID: q.child.ReqID, IfID: s.peer.IfID, Suite: suite,
	}
	out = in
	out.Dir, out.SPI, out.Src, out.Dst = xfrm.Out, q.spiOut, in.Dst, in.Src
	if s.floated() {
		in.Encap = xfrm.Encap{SrcPort: s.remote.Port(), DstPort: s.local.Port()}
		out.Encap = xfrm.Encap{SrcPort: s.local.Port(), DstPort: s.remote.Port()}
	}
	for _, sa := range []*xfrm.SA{&in, &out} {
		sa.EncKey, sa.AuthKey = s.childKeys(q, suite, sa.SPI)
		sa.Soft, sa.Hard = s.limits(life, suite.Cipher, q.initiator)
		if err := crypt.CheckKey(suite.Cipher, sa.EncKey.Open()); err != nil {
			s.failQuick(q, &ike.Fault{Cause: ike.CauseDataPlane, Text: err.Error()})
			return in, out, false
		}
	}
	return in, out, true
}

// childKeys expands the keys of the SA with an SPI: first the cipher's, then
// the integrity algorithm's (RFC 2409 §5.5).
func (s *Session) childKeys(q *quick, suite xfrm.Suite, spi uint32) (enc, auth xfrm.Secret) {
	n := suite.EncKeySize()
	mat := crypt.KeyMat(s.secrets.hash, s.secrets.keys.D, q.shared, byte(isakmp.ProtoESP), spi, q.ni, q.nr, n+suite.Hash.Size())
	defer clear(mat)
	return xfrm.NewSecret(mat[:n]), xfrm.NewSecret(mat[n:])
}

// smallBlockLimit caps what a cipher with 64-bit blocks may protect under one
// key, in bytes: beyond, blocks repeat (Sweet32).
const smallBlockLimit = 4 << 30

// limits makes an SA's limits of a lifetime. The soft one comes so early that
// a replacement is ready in time, earlier for whoever began, so that both ends
// seldom begin at once; of bytes at a random 80 to 90 per cent.
func (s *Session) limits(l ike.Lifetime, c xfrm.Cipher, initiator bool) (soft, hard xfrm.Limit) {
	hard = xfrm.Limit{Time: l.Time, Bytes: min(l.KB, 1<<50) * 1024}
	if c.BlockSize() == 8 && (hard.Bytes == 0 || hard.Bytes > smallBlockLimit) {
		hard.Bytes = smallBlockLimit
	}
	margin := l.Time / 20
	if initiator {
		margin = l.Time / 10
	}
	share := 800 + uint64(s.random(make([]byte, 1))[0])*100/255
	return xfrm.Limit{Time: l.Time - margin, Bytes: hard.Bytes / 1000 * share}, hard
}

// finish ends a quick mode whose SAs stand.
func (s *Session) finish(q *quick) {
	q.phase, q.ends = finished, s.now.Add(linger)
	child := &ike.ChildSA{
		Sel: q.child.Sel, ReqID: q.child.ReqID, SPIIn: q.spiIn, SPIOut: q.spiOut,
		Local: netip.AddrPortFrom(s.local.Addr(), 0), Remote: netip.AddrPortFrom(s.remote.Addr(), 0),
		Proposal: q.choice.proposal, Lifetime: q.child.Lifetime.Min(q.choice.life), Initiator: q.initiator,
	}
	if s.floated() {
		child.Local, child.Remote = s.local, s.remote
	}
	q.forget()
	s.report(ike.Report{Kind: ike.ChildUp, Sel: child.Sel, SPI: child.SPIIn, Child: child})
}

// forget lets go of what only the negotiation needed.
func (q *quick) forget() {
	clear(q.shared)
	q.shared, q.public, q.ni, q.nr, q.ids = nil, nil, nil, nil, nil
	q.exponent, q.choice.transform, q.choice.spi = crypt.Exponent{}, isakmp.Transform{}, nil
}

// dropQuick ends a quick mode that did not come to its end.
func (s *Session) dropQuick(q *quick, f *ike.Fault) {
	if q.phase == finished {
		return
	}
	if q.installed {
		s.do(ike.Remove{SPI: q.spiIn, Dst: s.local.Addr()})
	}
	q.phase, q.ends = finished, s.now.Add(linger)
	q.flight.answered()
	q.forget()
	s.report(ike.Report{Kind: ike.ChildFailed, Sel: q.child.Sel, SPI: q.spiIn, Fault: f})
}

// failQuick ends a quick mode for a reason.
func (s *Session) failQuick(q *quick, f *ike.Fault) { s.dropQuick(q, f) }

// tickQuick resends, gives up or forgets.
func (s *Session) tickQuick(q *quick) {
	switch {
	case q.phase == finished && s.due(q.ends):
		delete(s.quicks, q.mid)
	case q.phase == finished || s.state == dead:
	case s.due(q.flight.wake) && !s.resend(&q.flight, s.remote):
		s.quickTimedOut(q)
	}
}

// quickTimedOut gives up. A peer that began may take the pair for up since it
// got QM2, and must hear that it is not. When the peer has not been heard since
// the exchange began, it does not know this session any more: the session ends,
// so that the next try begins anew.
func (s *Session) quickTimedOut(q *quick) {
	f := &ike.Fault{
		Cause: ike.CauseTimeout, Text: s.remote.String() + " does not answer in quick mode",
		Advice: "look at the peer's log: it may lack this pair of networks",
	}
	if !q.initiator {
		s.deleteChild(q.spiIn)
	}
	s.failQuick(q, f)
	switch {
	case !q.initiator:
		// The peer may have taken QM2 for the end, and send what nobody can read.
		s.deleteChild(q.spiIn)
	case s.heard.Before(q.begun):
		s.down(f)
	}
}

// failed undoes a quick mode whose inbound SA could not be installed, and takes
// back the answer that promised it: a duplicate of the request would else still
// get it. A finished one belongs to the tunnel.
func (s *Session) failed(in ike.Failed) {
	for _, q := range s.sortedQuicks() {
		if q.spiIn == in.SPI && q.phase != finished {
			q.replies.answer(nil)
			s.failQuick(q, &ike.Fault{
				Cause: ike.CauseDataPlane, Text: "the SA could not be installed: " + in.Err.Error(),
			})
		}
	}
}
