package crypt

import (
	"crypto/subtle"

	"filippo.io/bigmod"
)

// window is how many bits of the exponent one multiplication takes. Five and six
// are equally fast, four and seven a tenth slower; five needs half the memory of
// six: 0.4 MB with group 14, 1.2 MB with group 16.
const window = 5

// values is how many powers a window chooses from.
const values = 1 << window

// lane is how many limbs are gathered at a time; every modulus has a multiple.
const lane = 4

// fixedBase holds the powers b^(v * 2^(5w)) of one base for every window w and
// every value v of its bits. b^x is then one of each window multiplied: no
// squaring, a third of the work of Nat.Exp (it would be a sixth, did bigmod not
// convert to Montgomery's form and back in every public multiplication).
type fixedBase struct {
	m     *bigmod.Modulus
	limbs int
	// windows are stored one after the other, each by lanes: all values' limbs
	// 0..3, then all values' limbs 4..7. A choice reads all of it in order.
	windows [][]uint
}

func newFixedBase(base []byte, bits int, m *bigmod.Modulus) *fixedBase {
	b := reduced(base, m)
	t := &fixedBase{m: m, limbs: len(b.Bits())}
	for w := 0; w < bits; w += window {
		t.windows = append(t.windows, make([]uint, t.limbs*values))
		power := reduced([]byte{1}, m)
		for v := range values {
			t.put(w/window, v, power.Bits())
			power.Mul(b, m)
		}
		b = power // b^(2^5)
	}
	return t
}

// reduced reads a constant that is below the modulus.
func reduced(b []byte, m *bigmod.Modulus) *bigmod.Nat {
	n, err := bigmod.NewNat().SetBytes(b, m)
	if err != nil {
		panic("crypt: constant is not below its modulus: " + err.Error())
	}
	return n
}

func (t *fixedBase) put(w, v int, limbs []uint) {
	for i, limb := range limbs {
		t.windows[w][i/lane*lane*values+v*lane+i%lane] = limb
	}
}

// exp is base^x in constant time: which memory is read and which instructions
// run depends on the length of x only.
func (t *fixedBase) exp(x []byte) *bigmod.Nat {
	out, factor := bigmod.NewNat().ExpandFor(t.m), bigmod.NewNat().ExpandFor(t.m)
	t.choose(out.Bits(), 0, digit(x, 0))
	for w := 1; w < len(t.windows); w++ {
		t.choose(factor.Bits(), w, digit(x, w))
		out.Mul(factor, t.m)
	}
	return out
}

// choose copies the power for value v of window w: it reads every power and
// masks all but one.
func (t *fixedBase) choose(to []uint, w int, v uint) {
	var mask [values]uint
	for i := range mask {
		mask[i] = -uint(subtle.ConstantTimeEq(int32(i), int32(v)))
	}
	from := t.windows[w]
	for ; len(to) >= lane; to = to[lane:] {
		var a, b, c, d uint
		for i := range mask {
			limbs, k := (*[lane]uint)(from[i*lane:]), mask[i]
			a |= limbs[0] & k
			b |= limbs[1] & k
			c |= limbs[2] & k
			d |= limbs[3] & k
		}
		to[0], to[1], to[2], to[3] = a, b, c, d
		from = from[lane*values:]
	}
}

// digit is window w of the big-endian x, counted from the last bit.
func digit(x []byte, w int) uint {
	bit := w * window
	at := len(x) - 1 - bit/8
	two := uint(x[at])
	if at > 0 {
		two |= uint(x[at-1]) << 8
	}
	return two >> (bit % 8) % values
}
