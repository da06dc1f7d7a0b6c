package v1

import (
	"crypto/subtle"
	"fmt"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// nonceSize is the length of our nonces in bytes (RFC 2409 §5: 8 to 256).
const (
	nonceSize = 32
	minNonce  = 8
	maxNonce  = 256
)

// keyPayloads are those of messages 3 and 4 of main mode.
func (s *Session) keyPayloads(public, nonce []byte) []isakmp.Payload {
	chain := []isakmp.Payload{{Type: isakmp.KE, Body: public}, {Type: isakmp.Nonce, Body: nonce}}
	if s.ext.natt != natNone {
		chain = append(chain, s.natPayloads()...)
	}
	return chain
}

// key is a public value and the nonce beside it.
type key struct {
	public, nonce []byte
	chain         []isakmp.Payload
}

// readKey reads and checks a message 3 or 4 of main mode.
func (s *Session) readKey(m message) (key, *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return key{}, malformed(err.Error())
	}
	return findKey(chain, s.phase1.choice.proposal.Group)
}

// findKey copies the public value of a group, and the nonce, out of a message.
func findKey(chain []isakmp.Payload, g ike.Group) (key, *refusal) {
	k := key{chain: chain}
	k.public, _ = isakmp.Find(chain, isakmp.KE)
	k.nonce, _ = isakmp.Find(chain, isakmp.Nonce)
	if len(k.nonce) < minNonce || len(k.nonce) > maxNonce {
		return key{}, malformed("the nonce must have 8 to 256 bytes")
	}
	if no := checkPublicSize(g, k.public); no != nil {
		return key{}, no
	}
	k.public, k.nonce = append([]byte(nil), k.public...), append([]byte(nil), k.nonce...)
	return k, nil
}

// checkPublicSize is what the loop checks of a public value; the job that
// computes with it checks the rest, which for group 24 is an exponentiation.
func checkPublicSize(g ike.Group, public []byte) *refusal {
	if row, _ := suite.GroupOf(g); len(public) != row.Public {
		return malformed(fmt.Sprintf("a public value of %d bytes, where %v has %d", len(public), g, row.Public))
	}
	return nil
}

// computePublic makes our key pair away from the loop.
func (s *Session) computePublic(then func()) {
	x, ok := s.newExponent()
	if !ok {
		return
	}
	s.compute(func() any { return publicOf(x) }, func(result any) {
		if r, ok := s.took(result); ok {
			s.phase1.gxi = r.public
			then()
		}
	})
}

// newExponent draws the session's private value. It fails for a group that the
// table has and crypt has not, which no test lets happen.
func (s *Session) newExponent() (crypt.Exponent, bool) {
	x, err := crypt.NewExponent(s.phase1.choice.proposal.Group, s.env.Rand)
	if err != nil {
		s.down(&ike.Fault{Cause: ike.CauseProposal, Text: err.Error()})
		return x, false
	}
	s.phase1.exponent, s.state = x, computing
	return x, true
}

// computed is what a job brings back.
type computed struct {
	public, shared []byte
	err            error
}

func publicOf(x crypt.Exponent) computed {
	public, err := x.Public()
	return computed{public: public, err: err}
}

func sharedOf(x crypt.Exponent, peer []byte) computed {
	shared, err := x.Shared(peer)
	return computed{shared: shared, err: err}
}

func bothOf(x crypt.Exponent, peer []byte) computed {
	c := publicOf(x)
	if c.err == nil {
		c.shared, c.err = x.Shared(peer)
	}
	return c
}

// took ends the session when a job failed.
func (s *Session) took(result any) (computed, bool) {
	c, _ := result.(computed)
	if c.err != nil {
		s.down(malformed(c.err.Error()).fault)
		return c, false
	}
	return c, true
}

// makeSecrets expands the keys and the first IV of phase 1.
func (s *Session) makeSecrets(psk xfrm.Secret) bool {
	sec, err := newSecrets(s.phase1.choice.proposal, psk, s.phase1, s.cookies)
	if err != nil {
		s.down(&ike.Fault{Cause: ike.CauseMalformed, Text: err.Error()})
		return false
	}
	s.secrets, s.iv = sec, s.phase1.firstIV(sec)
	return true
}

// firstIV is the IV of the first encrypted message (RFC 2409 appendix B).
func (k *keyExchange) firstIV(sec secrets) []byte {
	return crypt.Sum(sec.hash, k.gxi, k.gxr)[:sec.cbc.BlockSize()]
}

// hashI is HASH_I, hashR is HASH_R (RFC 2409 §5): both cover SAi_b, the
// initiator's offer, as it went over the wire.
func (k *keyExchange) hashI(sec secrets, c ike.Cookies, id []byte) []byte {
	return crypt.PRF(sec.hash, sec.keys.ID, k.gxi, k.gxr, c.Initiator[:], c.Responder[:], k.offer, id)
}

func (k *keyExchange) hashR(sec secrets, c ike.Cookies, id []byte) []byte {
	return crypt.PRF(sec.hash, sec.keys.ID, k.gxr, k.gxi, c.Responder[:], c.Initiator[:], k.offer, id)
}

// hashFits checks the HASH payload of a message of phase 1.
func hashFits(chain []isakmp.Payload, want []byte) bool {
	theirs, ok := isakmp.Find(chain, isakmp.Hash)
	return ok && subtle.ConstantTimeCompare(theirs, want) == 1
}
