package crypt

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// BenchmarkDH is what an exchange pays for each group. us/pair is the figure of
// the goal: 540 with group 14.
func BenchmarkDH(b *testing.B) {
	for _, g := range suite.Groups {
		b.Run(g.Word, func(b *testing.B) { benchmarkGroup(b, g.Group) })
	}
}

func benchmarkGroup(b *testing.B, g ike.Group) {
	peer := public(b, exponent(b, g))
	public(b, exponent(b, g)) // builds the table
	b.Run("Public", func(b *testing.B) {
		for b.Loop() {
			public(b, exponent(b, g))
		}
	})
	b.Run("Shared", func(b *testing.B) {
		x := exponent(b, g)
		for b.Loop() {
			shared(b, x, peer)
		}
	})
	b.Run("Pair", func(b *testing.B) {
		for b.Loop() {
			x := exponent(b, g)
			public(b, x)
			shared(b, x, peer)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "us/pair")
	})
}

// BenchmarkTable is what the first use of a MODP group pays.
func BenchmarkTable(b *testing.B) {
	for _, g := range modpNumbers() {
		m := groups[g].(*modp)
		b.Run(g.String(), func(b *testing.B) {
			var t *fixedBase
			for b.Loop() {
				t = newFixedBase(number(m.params.generator), m.params.bits, m.modulus())
			}
			b.ReportMetric(float64(len(t.windows)*values*m.modulus().Size())/1024, "KiB")
		})
	}
}

// BenchmarkPhase1Keys is all of a phase 1 that is not Diffie-Hellman: keys,
// cipher key, both authenticating hashes and an IV.
func BenchmarkPhase1Keys(b *testing.B) {
	psk, gxy := xfrm.NewSecret([]byte("123456")), bytes.Repeat([]byte{0xa5}, 256)
	ni, nr := make([]byte, 32), make([]byte, 32)
	for _, h := range []xfrm.Hash{xfrm.SHA1, xfrm.SHA256} {
		b.Run(h.String(), func(b *testing.B) {
			for b.Loop() {
				k := ExpandPhase1(h, psk, ni, nr, gxy, ike.Cookies{})
				CipherKey(h, k.E, 32)
				PRF(h, k.ID, gxy, gxy, ni)
				PRF(h, k.ID, gxy, gxy, nr)
				Sum(h, gxy, gxy)
			}
		})
	}
}

func BenchmarkKeyMat(b *testing.B) {
	d, nonce := make([]byte, 20), make([]byte, 32)
	for b.Loop() {
		KeyMat(xfrm.SHA1, d, nil, 3, 256, nonce, nonce, 52)
	}
}

func modpNumbers() []ike.Group {
	var all []ike.Group
	for n, g := range groups {
		if _, ok := g.(*modp); ok {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

func exponent(t testing.TB, g ike.Group) Exponent {
	t.Helper()
	x, err := NewExponent(g, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func public(t testing.TB, x Exponent) []byte {
	t.Helper()
	p, err := x.Public()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shared(t testing.TB, x Exponent, peer []byte) []byte {
	t.Helper()
	s, err := x.Shared(peer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
