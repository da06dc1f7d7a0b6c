package crypt

import (
	"encoding/hex"
	"fmt"
	"sync"

	"filippo.io/bigmod"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// modpParams describe a MODP group; the numbers are hexadecimal.
type modpParams struct {
	prime     string
	generator string
	order     string // of a subgroup smaller than (p-1)/2, else empty
	// bits of an exponent: twice the strength of the group and more (RFC 3526
	// §8). Short ones are as safe as full ones where the order has no small
	// factors, and eight times as fast with 2048 bits.
	bits int
}

// modp is a MODP group. Whoever computes with the secret does so by bigmod, in
// constant time.
type modp struct {
	number  ike.Group
	params  modpParams
	modulus func() *bigmod.Modulus
	powers  func() *fixedBase // of the generator
}

// newMODP computes nothing before the group is used.
func newMODP(g ike.Group, params modpParams) *modp {
	m := &modp{number: g, params: params}
	m.modulus = sync.OnceValue(func() *bigmod.Modulus {
		p, err := bigmod.NewModulus(number(params.prime))
		if err != nil {
			panic(fmt.Sprintf("crypt: prime of %v: %v", g, err)) // a constant
		}
		return p
	})
	m.powers = sync.OnceValue(func() *fixedBase {
		return newFixedBase(number(params.generator), params.bits, m.modulus())
	})
	return m
}

// number reads one of the constants above.
func number(constant string) []byte {
	b, err := hex.DecodeString(constant)
	if err != nil {
		panic(fmt.Sprintf("crypt: constant: %v", err))
	}
	return b
}

func (m *modp) scalar() scalar {
	s := scalar{size: m.params.bits / 8, top: 0xff}
	if m.params.order != "" {
		s.order = number(m.params.order)
	}
	return s
}

// parse reads a peer's public value and refuses a bad one.
//
// The primes of groups 1 to 16 are safe: the only subgroups are of order 1, 2,
// (p-1)/2 and p-1, and 1 < v < p-1 leaves none of the small ones (RFC 6989
// §2.1). A v of order p-1 betrays whether x is odd: one bit of 256, of an
// exponent that lives for one exchange, so no more is asked. Group 24 is
// different: p-1 has small factors, and a v of small order betrays x modulo that
// order, which hurts a short x. There v must be of the subgroup, v^q = 1 (RFC
// 2631 §2.1.5), which costs an exponentiation.
func (m *modp) parse(peer []byte) (*bigmod.Nat, error) {
	p := m.modulus()
	if len(peer) != p.Size() {
		return nil, wrongSize(m.number, peer, p.Size())
	}
	v, err := bigmod.NewNat().SetBytes(peer, p)
	if err != nil {
		return nil, fmt.Errorf("%v: the peer's public value is not below the prime: %w", m.number, err)
	}
	if v.IsZero()|v.IsOne()|v.IsMinusOne(p) == 1 {
		return nil, fmt.Errorf("%v: the peer's public value is 0, 1 or -1, so that anybody knows the secret", m.number)
	}
	if m.params.order != "" && bigmod.NewNat().Exp(v, number(m.params.order), p).IsOne() == 0 {
		return nil, fmt.Errorf("%v: the peer's public value is outside of the group's subgroup, which could betray our exponent", m.number)
	}
	return v, nil
}

func (m *modp) private(x xfrm.Secret) private { return modpPrivate{m, x} }

// modpPrivate computes with the exponent x of a MODP group.
type modpPrivate struct {
	*modp
	x xfrm.Secret
}

func (k modpPrivate) public() ([]byte, error) {
	return k.powers().exp(k.x.Open()).Bytes(k.modulus()), nil
}

func (k modpPrivate) shared(peer []byte) ([]byte, error) {
	v, err := k.parse(peer)
	if err != nil {
		return nil, err
	}
	p := k.modulus()
	return bigmod.NewNat().Exp(v, k.x.Open(), p).Bytes(p), nil
}
