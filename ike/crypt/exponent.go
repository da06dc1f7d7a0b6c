package crypt

import (
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Exponent is a private Diffie-Hellman value: a secret, for one exchange only.
// Public and Shared are pure, take between 0.05 and some milliseconds, and may
// run at the same time in other goroutines.
type Exponent struct {
	secret xfrm.Secret
	own    private
}

// group is a Diffie-Hellman group: a *modp or a *curve.
type group interface {
	// scalar says what an exponent looks like.
	scalar() scalar
	// private computes with the exponent x.
	private(x xfrm.Secret) private
}

// private computes with one exponent.
type private interface {
	public() ([]byte, error)
	shared(peer []byte) ([]byte, error)
}

// groups are those of suite.Groups.
var groups = map[ike.Group]group{
	1:  newMODP(1, modpParams{prime: prime768, generator: "02", bits: 256}),
	2:  newMODP(2, modpParams{prime: prime1024, generator: "02", bits: 256}),
	5:  newMODP(5, modpParams{prime: prime1536, generator: "02", bits: 256}),
	14: newMODP(14, modpParams{prime: prime2048, generator: "02", bits: 256}),
	15: newMODP(15, modpParams{prime: prime3072, generator: "02", bits: 320}),
	16: newMODP(16, modpParams{prime: prime4096, generator: "02", bits: 384}),
	19: p256,
	20: p384,
	21: p521,
	24: newMODP(24, modpParams{prime: prime2048s256, generator: generator2048s256, order: order2048s256, bits: 256}),
	31: x25519,
}

// NewExponent draws the exponent's bytes and computes nothing yet.
func NewExponent(g ike.Group, rand io.Reader) (Exponent, error) {
	gr, ok := groups[g]
	if !ok {
		return Exponent{}, unknown(g)
	}
	x, err := gr.scalar().draw(rand)
	if err != nil {
		return Exponent{}, fmt.Errorf("%v: %w", g, err)
	}
	secret := xfrm.NewSecret(x)
	clear(x)
	return Exponent{secret, gr.private(secret)}, nil
}

// Public is g^x as it goes into the key exchange payload, with exactly the
// group's wire size. The first use of a MODP group builds a table, which takes
// as long as some ten exponentiations.
func (x Exponent) Public() ([]byte, error) { return x.own.public() }

// Shared is g^xy, padded on the left to the size of the modulus, or the x
// coordinate with a curve (RFC 5903 §7). It refuses a peer's public value that
// has not the group's length or is not a member of the group: outside of
// 1 < v < p-1 (RFC 6989 §2.1), with group 24 outside of the subgroup, with groups
// 19 to 21 not a point of the curve, with group 31 one that gives no secret.
func (x Exponent) Shared(peer []byte) ([]byte, error) { return x.own.shared(peer) }

// Wipe overwrites the bytes. No Public or Shared may be running or follow.
func (x Exponent) Wipe() { x.secret.Wipe() }

func unknown(g ike.Group) error {
	return fmt.Errorf("%v is not a Diffie-Hellman group that is known here", g)
}

// wrongSize names a public value that has not the group's length.
func wrongSize(g ike.Group, peer []byte, want int) error {
	return fmt.Errorf("%v: the peer's public value has %d bytes, must have %d", g, len(peer), want)
}

// scalar is what an exponent looks like.
type scalar struct {
	size  int    // in bytes
	top   byte   // the bits of the first byte that count
	order []byte // exponents are below it; nil: every exponent of the size is
}

// draws bounds the tries for an exponent. Group 24 refuses 45 % of them, so a
// good source fails with odds of 2^-73; a broken one does not hang the loop.
const draws = 64

// draw reads an exponent. Drawing again, rather than reducing, keeps every one
// equally probable.
func (s scalar) draw(rand io.Reader) ([]byte, error) {
	x := make([]byte, s.size)
	for range draws {
		if _, err := io.ReadFull(rand, x); err != nil {
			return nil, fmt.Errorf("draw an exponent: %w", err)
		}
		x[0] &= s.top
		if s.fits(x) {
			return x, nil
		}
	}
	return nil, fmt.Errorf("no exponent in %d draws: the source of chance is broken", draws)
}

func (s scalar) fits(x []byte) bool {
	zero := subtle.ConstantTimeCompare(x, make([]byte, s.size)) == 1
	return !zero && (s.order == nil || below(x, s.order))
}

// below compares two numbers of the same length in constant time.
func below(x, limit []byte) bool {
	borrow := 0
	for i := len(x) - 1; i >= 0; i-- {
		borrow = (int(x[i]) - int(limit[i]) - borrow) >> 8 & 1
	}
	return borrow == 1
}
