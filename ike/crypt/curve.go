package crypt

import (
	"crypto/ecdh"
	"fmt"
	"sync"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// curve is a group of points. On the wire those of the NIST curves are x|y
// without the leading 4 of other formats (RFC 5903 §7), that of Curve25519 is x
// alone (RFC 8031 §3.1).
type curve struct {
	number ike.Group
	ecdh   ecdh.Curve
	prefix []byte // what crypto/ecdh has in front of the wire's form
	wire   int    // size of a public value, in bytes
	secret scalar
}

var (
	p256 = &curve{19, ecdh.P256(), []byte{4}, 64, scalar{32, 0xff, number(
		"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")}}
	p384 = &curve{20, ecdh.P384(), []byte{4}, 96, scalar{48, 0xff, number(
		"ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973")}}
	p521 = &curve{21, ecdh.P521(), []byte{4}, 132, scalar{66, 0x01, number(
		"01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa" +
			"51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409")}}
	x25519 = &curve{31, ecdh.X25519(), nil, 32, scalar{32, 0xff, nil}}
)

func (c *curve) scalar() scalar { return c.secret }

func (c *curve) parse(peer []byte) (*ecdh.PublicKey, error) {
	if len(peer) != c.wire {
		return nil, wrongSize(c.number, peer, c.wire)
	}
	p, err := c.ecdh.NewPublicKey(append(c.prefix[:len(c.prefix):len(c.prefix)], peer...))
	if err != nil {
		return nil, fmt.Errorf("%v: the peer's public value is not a point of the curve: %w", c.number, err)
	}
	return p, nil
}

// private keeps the key of crypto/ecdh once it is made, because making it
// computes the public value: a quarter of Shared, with X25519 as much as it.
func (c *curve) private(x xfrm.Secret) private {
	return curvePrivate{c, sync.OnceValues(func() (*ecdh.PrivateKey, error) {
		return c.ecdh.NewPrivateKey(x.Open())
	})}
}

// curvePrivate computes with one exponent of a curve.
type curvePrivate struct {
	*curve
	key func() (*ecdh.PrivateKey, error)
}

func (k curvePrivate) public() ([]byte, error) {
	key, err := k.key()
	if err != nil {
		return nil, fmt.Errorf("%v: our exponent: %w", k.number, err)
	}
	return key.PublicKey().Bytes()[len(k.prefix):], nil
}

func (k curvePrivate) shared(peer []byte) ([]byte, error) {
	p, err := k.parse(peer)
	if err != nil {
		return nil, err
	}
	key, err := k.key()
	if err != nil {
		return nil, fmt.Errorf("%v: our exponent: %w", k.number, err)
	}
	s, err := key.ECDH(p)
	if err != nil {
		return nil, fmt.Errorf("%v: the peer's public value gives no secret: %w", k.number, err)
	}
	return s, nil
}
