package crypt

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/big"
	"testing"

	"filippo.io/bigmod"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// In tests math/big is the independent second opinion: nothing here is secret.

func modpGroup(g ike.Group) *modp { return groups[g].(*modp) }

func (m *modp) bigPrime() *big.Int     { return new(big.Int).SetBytes(number(m.params.prime)) }
func (m *modp) bigGenerator() *big.Int { return new(big.Int).SetBytes(number(m.params.generator)) }

// with is an Exponent of given bytes.
func (m *modp) with(x []byte) Exponent {
	secret := xfrm.NewSecret(x)
	return Exponent{secret, m.private(secret)}
}

// TestPrimesComeFromPi computes the primes of RFC 2409 §6 and RFC 3526 by their
// definition, 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c).
func TestPrimesComeFromPi(t *testing.T) {
	for g, def := range map[ike.Group]struct {
		bits uint
		c    int64
	}{
		1: {768, 149686}, 2: {1024, 129093}, 5: {1536, 741804}, 14: {2048, 124476}, 15: {3072, 1690314}, 16: {4096, 240904},
	} {
		one := big.NewInt(1)
		want := new(big.Int).Add(piTimes(def.bits-130), big.NewInt(def.c))
		want.Lsh(want, 64)
		want.Add(want, new(big.Int).Lsh(one, def.bits))
		want.Sub(want, new(big.Int).Lsh(one, def.bits-64))
		want.Sub(want, one)
		p := modpGroup(g).bigPrime()
		if p.Cmp(want) != 0 {
			t.Errorf("%v: prime is not %X", g, want)
		}
		half := new(big.Int).Rsh(p, 1)
		if !p.ProbablyPrime(1) || !half.ProbablyPrime(1) {
			t.Errorf("%v: p is not a safe prime", g)
		}
		if new(big.Int).Exp(big.NewInt(2), half, p).Cmp(one) != 0 {
			t.Errorf("%v: 2 does not generate the subgroup of prime order", g)
		}
	}
}

// piTimes is floor(2^bits * pi), by Machin's 16 atan(1/5) - 4 atan(1/239).
func piTimes(bits uint) *big.Int {
	const guard = 64
	unit := new(big.Int).Lsh(big.NewInt(1), bits+guard)
	atan := func(inverse int64) *big.Int {
		x, square := big.NewInt(inverse), big.NewInt(inverse*inverse)
		power := new(big.Int).Quo(unit, x)
		sum := new(big.Int)
		for n := int64(1); power.Sign() != 0; n += 2 {
			term := new(big.Int).Quo(power, big.NewInt(n))
			if n%4 == 1 {
				sum.Add(sum, term)
			} else {
				sum.Sub(sum, term)
			}
			power.Quo(power, square)
		}
		return sum
	}
	pi := new(big.Int).Mul(atan(5), big.NewInt(16))
	pi.Sub(pi, new(big.Int).Mul(atan(239), big.NewInt(4)))
	return pi.Rsh(pi, guard)
}

func TestPrimesOfRFC3526(t *testing.T) {
	listed := map[string]bool{}
	for _, v := range vectors(t, "dh/rfc3526.txt", "P") {
		if v["G"] != "2" {
			t.Errorf("generator %s", v["G"])
		}
		listed[v["P"]] = true
	}
	for _, g := range []ike.Group{5, 14, 15, 16} {
		if !listed[modpGroup(g).params.prime] {
			t.Errorf("%v: its prime is not in RFC 3526", g)
		}
	}
}

// TestGroup24OfRFC5114 computes the sample exchange from both sides.
func TestGroup24OfRFC5114(t *testing.T) {
	m := modpGroup(24)
	for _, v := range vectors(t, "dh/RFC5114.txt", "P") {
		if v["P"] != m.params.prime {
			continue // groups 22 and 23
		}
		if v["Q"] != m.params.order || v["G"] != m.params.generator {
			t.Errorf("the parameters are not those of RFC 5114")
		}
		a, b, z := m.with(v.hex(t, "XstatCAVS")), m.with(v.hex(t, "XstatIUT")), v.hex(t, "Z")
		same(t, "g^x of one side", public(t, a), v.hex(t, "YstatCAVS"))
		same(t, "g^x of the other", public(t, b), v.hex(t, "YstatIUT"))
		same(t, "g^xy of one side", shared(t, a, v.hex(t, "YstatIUT")), z)
		same(t, "g^xy of the other", shared(t, b, v.hex(t, "YstatCAVS")), z)
		return
	}
	t.Fatal("RFC5114.txt has no group 24")
}

// TestFixedBaseIsExp compares the table with bigmod's power and with math/big,
// for exponents at the edges of the windows and for random ones.
func TestFixedBaseIsExp(t *testing.T) {
	for _, g := range modpNumbers() {
		m := modpGroup(g)
		size := m.params.bits / 8
		cases := [][]byte{make([]byte, size), bytes.Repeat([]byte{0xff}, size)}
		for bit := 0; bit < m.params.bits; bit += 37 {
			x := make([]byte, size)
			x[size-1-bit/8] = 1 << (bit % 8)
			cases = append(cases, x)
		}
		for range 8 {
			x := make([]byte, size)
			_, _ = rand.Read(x)
			cases = append(cases, x)
		}
		base := reduced(number(m.params.generator), m.modulus())
		for _, x := range cases {
			got := m.powers().exp(x).Bytes(m.modulus())
			if want := bigmod.NewNat().Exp(base, x, m.modulus()).Bytes(m.modulus()); !bytes.Equal(got, want) {
				t.Errorf("%v: x = %x: table and Exp differ", g, x)
			}
			want := new(big.Int).Exp(m.bigGenerator(), new(big.Int).SetBytes(x), m.bigPrime())
			if new(big.Int).SetBytes(got).Cmp(want) != 0 {
				t.Errorf("%v: x = %x: table and math/big differ", g, x)
			}
		}
	}
}

func TestDigits(t *testing.T) {
	x := []byte{0b10000000, 0b11111100, 0b01010101} // 1000 00001 11111 00010 10101
	for w, want := range []uint{0b10101, 0b00010, 0b11111, 0b00001, 0b1000} {
		if got := digit(x, w); got != want {
			t.Errorf("window %d: %05b, want %05b", w, got, want)
		}
	}
}

// TestSharedKeepsLeadingZeros gives a peer's value that leads to a secret of one
// byte: y = s^(1/x mod q), so that y^x = s.
func TestSharedKeepsLeadingZeros(t *testing.T) {
	for _, g := range []ike.Group{1, 2, 5, 14} {
		m := modpGroup(g)
		p := m.bigPrime()
		q := new(big.Int).Rsh(p, 1)
		x := make([]byte, m.params.bits/8)
		_, _ = rand.Read(x)
		inverse := new(big.Int).ModInverse(new(big.Int).SetBytes(x), q)
		y := new(big.Int).Exp(big.NewInt(2), inverse, p).FillBytes(make([]byte, len(p.Bytes())))
		want := make([]byte, len(p.Bytes()))
		want[len(want)-1] = 2
		same(t, fmt.Sprintf("%v: g^xy", g), shared(t, m.with(x), y), want)
	}
}

// TestPublicKeepsLeadingZeros: g^3 is 8.
func TestPublicKeepsLeadingZeros(t *testing.T) {
	m := modpGroup(14)
	x, want := make([]byte, 32), make([]byte, 256)
	x[31], want[255] = 3, 8
	same(t, "g^3", public(t, m.with(x)), want)
}
