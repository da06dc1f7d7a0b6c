package kernel

import (
	"github.com/twinspan/twinspan/xfrm"
)

// The crypto API's names of what an SA can be protected with.
var (
	cipherNames = map[xfrm.Cipher]string{
		xfrm.DESCBC:       "cbc(des)",
		xfrm.TripleDESCBC: "cbc(des3_ede)",
		xfrm.AESCBC:       "cbc(aes)",
	}
	hashNames = map[xfrm.Hash]string{
		xfrm.MD5:    "hmac(md5)",
		xfrm.SHA1:   "hmac(sha1)",
		xfrm.SHA256: "hmac(sha256)",
		xfrm.SHA384: "hmac(sha384)",
		xfrm.SHA512: "hmac(sha512)",
	}
)

// appendCipher writes an xfrm_algo with its key.
func appendCipher(b []byte, c xfrm.Cipher, key []byte) []byte {
	b = appendName(b, cipherNames[c])
	b = native.AppendUint32(b, uint32(len(key))*8)
	return append(b, key...)
}

// appendHash writes an xfrm_algo_auth with its key. The truncation is said
// outright: without it the kernel cuts SHA-256 to 96 bits as a draft had it.
func appendHash(b []byte, h xfrm.Hash, key []byte) []byte {
	b = appendName(b, hashNames[h])
	b = native.AppendUint32(b, uint32(len(key))*8)
	b = native.AppendUint32(b, uint32(h.ICVSize())*8)
	return append(b, key...)
}

func appendName(b []byte, name string) []byte {
	b = append(b, name...)
	return appendZeros(b, sizeAlgoName-len(name))
}

// cipher reads an xfrm_algo; a cipher that is not ours is zero. The key aliases
// the message.
func (r *reader) cipher() (c xfrm.Cipher, key []byte) {
	name := r.name()
	bits := r.u32()
	key = r.take(int(bits / 8))
	for c, n := range cipherNames {
		if n == name {
			return c, key
		}
	}
	return 0, key
}

// hash reads an xfrm_algo_auth; one that is not ours, or cut to another length,
// is zero. The key aliases the message.
func (r *reader) hash() (h xfrm.Hash, key []byte) {
	name := r.name()
	bits := r.u32()
	cut := r.u32()
	key = r.take(int(bits / 8))
	for h, n := range hashNames {
		if n == name && cut == uint32(h.ICVSize())*8 {
			return h, key
		}
	}
	return 0, key
}

func (r *reader) name() string {
	b := r.take(sizeAlgoName)
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
