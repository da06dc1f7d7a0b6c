package userspace

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:staticcheck // peers exist that know nothing else; the configuration warns
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/twinspan/twinspan/xfrm"
)

// Sizes of an ESP packet (RFC 4303 §2).
const (
	espHeader  = 8  // SPI and sequence number
	espTrailer = 2  // pad length and next header
	ivMax      = 16 // AES
	icvMax     = 32 // SHA-512
	// headroom is what seal needs before the inner packet, tailroom after it.
	headroom = espHeader + ivMax
	tailroom = ivMax + espTrailer + icvMax
)

// Why open refuses a packet.
var (
	errShort   = errors.New("no whole ESP packet")
	errICV     = errors.New("wrong integrity value")
	errPadding = errors.New("impossible padding")
)

// chain is a cipher in CBC mode that can begin again with another IV.
type chain interface {
	cipher.BlockMode
	SetIV([]byte)
}

// mac is the integrity of a transform.
type mac struct {
	keyed hash.Hash
	size  int
	sum   [64]byte
}

// of computes the ICV; it is valid until the next call.
func (m *mac) of(b []byte) []byte {
	m.keyed.Reset()
	m.keyed.Write(b)
	return m.keyed.Sum(m.sum[:0])[:m.size]
}

// sealer turns inner packets into the ESP packets of one SA. It knows no
// policy and no limit. Not for concurrent use.
type sealer struct {
	spi   uint32
	chain chain
	block int
	mac   mac
	ivs   ivSource
	salt  [8]byte // so that no two SAs have the same IVs
	iv    [aes.BlockSize]byte
}

// ivSource makes unpredictable IVs out of numbers that never repeat: a block
// cipher with a random key of its own. All SAs of a Backend share one.
type ivSource cipher.Block

func newIVSource() ivSource {
	key := make([]byte, aes.BlockSize)
	_, _ = rand.Read(key)      // never fails
	b, _ := aes.NewCipher(key) // fails for other key sizes
	return b
}

// opener is the other direction. Not for concurrent use.
type opener struct {
	chain chain
	block int
	mac   mac
}

func newSealer(sa xfrm.SA, ivs ivSource) (*sealer, error) {
	block, err := newCipher(sa.Suite.Cipher, sa.EncKey.Open())
	if err != nil {
		return nil, err
	}
	zero := make([]byte, block.BlockSize())
	c, ok := cipher.NewCBCEncrypter(block, zero).(chain)
	if !ok {
		return nil, fmt.Errorf("%v: the cipher's CBC mode cannot change its IV", sa.Suite)
	}
	s := &sealer{spi: sa.SPI, chain: c, block: block.BlockSize(), mac: newMAC(sa), ivs: ivs}
	_, _ = rand.Read(s.salt[:]) // never fails
	return s, nil
}

func newOpener(sa xfrm.SA) (*opener, error) {
	block, err := newCipher(sa.Suite.Cipher, sa.EncKey.Open())
	if err != nil {
		return nil, err
	}
	zero := make([]byte, block.BlockSize())
	c, ok := cipher.NewCBCDecrypter(block, zero).(chain)
	if !ok {
		return nil, fmt.Errorf("%v: the cipher's CBC mode cannot change its IV", sa.Suite)
	}
	return &opener{chain: c, block: block.BlockSize(), mac: newMAC(sa)}, nil
}

func newCipher(c xfrm.Cipher, key []byte) (cipher.Block, error) {
	switch c {
	case xfrm.DESCBC:
		return des.NewCipher(key)
	case xfrm.TripleDESCBC:
		return des.NewTripleDESCipher(key)
	}
	return aes.NewCipher(key)
}

var hashes = map[xfrm.Hash]func() hash.Hash{
	xfrm.MD5: md5.New, xfrm.SHA1: sha1.New, xfrm.SHA256: sha256.New, xfrm.SHA384: sha512.New384, xfrm.SHA512: sha512.New,
}

func newMAC(sa xfrm.SA) mac {
	return mac{keyed: hmac.New(hashes[sa.Suite.Hash], sa.AuthKey.Open()), size: sa.Suite.Hash.ICVSize()}
}

// seal makes an ESP packet of the inner packet buf[at:at+n], in place. It needs
// headroom bytes before and tailroom bytes after, and returns the part of buf
// that is the packet.
func (s *sealer) seal(buf []byte, at, n int, next byte, seq uint32) []byte {
	pad := padding(n, s.block)
	end := at + n
	for i := range pad {
		buf[end+i] = byte(i + 1) // RFC 4303 §2.4
	}
	end += pad
	buf[end], buf[end+1] = byte(pad), next
	end += espTrailer

	start := at - s.block - espHeader
	binary.BigEndian.PutUint32(buf[start:], s.spi)
	binary.BigEndian.PutUint32(buf[start+4:], seq)
	iv := buf[at-s.block : at]
	s.nextIV(iv, seq)
	s.chain.SetIV(iv)
	s.chain.CryptBlocks(buf[at:end], buf[at:end])
	return append(buf[start:end], s.mac.of(buf[start:end])...)
}

// nextIV fills in an IV that nobody can foresee (RFC 3602 §3): the sequence
// number, which never repeats, ciphered. Reading the system's random numbers
// for each packet would cost more than the packet.
func (s *sealer) nextIV(iv []byte, seq uint32) {
	s.iv = [aes.BlockSize]byte{}
	copy(s.iv[:], s.salt[:])
	binary.BigEndian.PutUint32(s.iv[len(s.salt):], seq)
	s.ivs.Encrypt(s.iv[:], s.iv[:])
	copy(iv, s.iv[:])
}

// padding is how much is wanted to fill a block, and at least to a multiple of
// four, with the two bytes of the trailer.
func padding(n, block int) int { return (block - (n+espTrailer)%block) % block }

// innerMax is the largest inner packet whose ESP packet has at most room bytes.
func (s *sealer) innerMax(room int) int {
	room -= espHeader + s.block + s.mac.size
	return room - room%s.block - espTrailer
}

// open checks and deciphers an ESP packet in place. It returns the inner
// packet, still with what may have been added behind it, and the next header.
// Nothing is deciphered before the ICV was right.
//
// The padding's bytes are not looked at: they are authenticated, and peers
// exist that fill in others than RFC 4303 §2.4 says.
func (o *opener) open(packet []byte) (inner []byte, next byte, err error) {
	body := len(packet) - o.mac.size
	cipherText := body - espHeader - o.block
	if cipherText < o.block || cipherText%o.block != 0 {
		return nil, 0, errShort
	}
	if subtle.ConstantTimeCompare(o.mac.of(packet[:body]), packet[body:]) != 1 {
		return nil, 0, errICV
	}
	text := packet[espHeader+o.block : body]
	o.chain.SetIV(packet[espHeader : espHeader+o.block])
	o.chain.CryptBlocks(text, text)
	pad, next := int(text[len(text)-2]), text[len(text)-1]
	n := len(text) - espTrailer - pad
	if n < 0 {
		return nil, 0, errPadding
	}
	return text[:n], next, nil
}
