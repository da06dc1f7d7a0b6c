package v1

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// secrets are what phase 1 agreed on.
type secrets struct {
	hash xfrm.Hash
	keys crypt.Phase1Keys
	cbc  *crypt.CBC
}

// newSecrets expands the keys of phase 1 (RFC 2409 §5, appendix B).
func newSecrets(p ike.Proposal, psk xfrm.Secret, m *keyExchange, c ike.Cookies) (secrets, error) {
	keys := crypt.ExpandPhase1(p.Hash, psk, m.ni, m.nr, m.shared, c)
	cbc, err := crypt.NewCBC(p.Cipher, crypt.CipherKey(p.Hash, keys.E, p.Cipher.KeySize(p.KeyBits)))
	if err != nil {
		return secrets{}, err
	}
	return secrets{hash: p.Hash, keys: keys, cbc: cbc}, nil
}

func (s secrets) ready() bool { return s.cbc != nil }

func (s *secrets) wipe() {
	s.keys.Wipe()
	s.cbc = nil
}

// prf is the negotiated PRF under SKEYID_a, which authenticates phase 2.
func (s secrets) prf(parts ...[]byte) []byte { return crypt.PRF(s.hash, s.keys.A, parts...) }

// iv2 is the first IV of an exchange after phase 1: a hash of the last block of
// phase 1 and the message id (RFC 2409 appendix B).
func (s secrets) iv2(last []byte, mid uint32) []byte {
	return crypt.Sum(s.hash, last, binary.BigEndian.AppendUint32(nil, mid))[:s.cbc.BlockSize()]
}

// seal makes an encrypted message of a chain and returns the IV of the
// exchange's next one. Padding is zeros up to the block (RFC 2409 appendix B).
func (s secrets) seal(iv []byte, h isakmp.Header, chain []isakmp.Payload) (message, next []byte) {
	plain := isakmp.AppendChain(nil, chain...)
	block := s.cbc.BlockSize()
	plain = append(plain, make([]byte, (block-len(plain)%block)%block)...)
	h.Next, h.Flags, h.Length = chain[0].Type, h.Flags|isakmp.Encrypted, uint32(isakmp.HeaderSize+len(plain))
	message = append(h.Append(make([]byte, 0, h.Length)), plain...)
	body := message[isakmp.HeaderSize:]
	s.cbc.Encrypt(iv, body, plain)
	return message, body[len(body)-block:]
}

// open decrypts a message. It changes no state: the next IV is to be kept only
// once the hash inside has been verified, else a forged message would
// desynchronise the exchange.
func (s secrets) open(iv []byte, m message) (opened, error) {
	body := m.raw[isakmp.HeaderSize:]
	block := s.cbc.BlockSize()
	if len(body) == 0 || len(body)%block != 0 {
		return opened{}, fmt.Errorf("%w: %d encrypted bytes are no multiple of the block", isakmp.ErrMalformed, len(body))
	}
	plain := make([]byte, len(body))
	s.cbc.Decrypt(iv, plain, body)
	chain, n, err := isakmp.Chain(m.Next, plain)
	if err != nil {
		return opened{}, err
	}
	return opened{chain: chain, bytes: plain[:n], next: body[len(body)-block:]}, nil
}

// opened is a decrypted message: its payloads, their bytes without the padding,
// and the IV that follows.
type opened struct {
	chain []isakmp.Payload
	bytes []byte
	next  []byte
}

// get returns the first payload of a type.
func (o opened) get(t isakmp.PayloadType) []byte {
	body, _ := isakmp.Find(o.chain, t)
	return body
}

// verify checks the HASH payload, which must come first, over the given parts
// and all bytes after it (RFC 2409 §5.5).
func (s secrets) verify(o opened, parts ...[]byte) bool {
	if len(o.chain) == 0 || o.chain[0].Type != isakmp.Hash {
		return false
	}
	rest := o.bytes[4+len(o.chain[0].Body):]
	return subtle.ConstantTimeCompare(o.chain[0].Body, s.prf(append(parts, rest)...)) == 1
}

// hashed puts the HASH payload of the given parts in front of a chain.
func (s secrets) hashed(chain []isakmp.Payload, parts ...[]byte) []isakmp.Payload {
	parts = append(parts, isakmp.AppendChain(nil, chain...))
	return append([]isakmp.Payload{{Type: isakmp.Hash, Body: s.prf(parts...)}}, chain...)
}

func midBytes(mid uint32) []byte { return binary.BigEndian.AppendUint32(nil, mid) }
