// Package crypt computes for IKE: hashes and the PRF, CBC ciphers, the keys of
// a phase 1 and of its children, and Diffie-Hellman. All of it is pure; chance
// comes in as an io.Reader. It knows no message, no state of a negotiation, and
// not whether an algorithm is still a good one to use: that is suite's.
package crypt

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"github.com/twinspan/twinspan/xfrm"
)

// Sum is the hash of the parts, one after the other.
func Sum(h xfrm.Hash, parts ...[]byte) []byte { return digest(newHash(h), parts) }

// PRF is the pseudo-random function of a negotiated hash: HMAC (RFC 2409 §4)
// of the parts, one after the other.
func PRF(h xfrm.Hash, key []byte, parts ...[]byte) []byte {
	return digest(hmac.New(func() hash.Hash { return newHash(h) }, key), parts)
}

func digest(d hash.Hash, parts [][]byte) []byte {
	for _, p := range parts {
		d.Write(p) // never fails (package hash)
	}
	return d.Sum(nil)
}

// newHash panics on a number that is none of xfrm's: only the program itself,
// never a peer, can bring one.
func newHash(h xfrm.Hash) hash.Hash {
	switch h {
	case xfrm.MD5:
		return md5.New()
	case xfrm.SHA1:
		return sha1.New()
	case xfrm.SHA256:
		return sha256.New()
	case xfrm.SHA384:
		return sha512.New384()
	case xfrm.SHA512:
		return sha512.New()
	}
	panic(fmt.Sprintf("crypt: %v does not exist", h))
}
