package crypt

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// conversation is a recorded negotiation: what went over the wire, and the
// secrets that both ends logged.
type conversation struct {
	hash          xfrm.Hash
	cipher        suite.Cipher
	psk           string
	cookies       ike.Cookies
	group         ike.Group
	gxi, gxr, gxy []byte
	ni, nr        []byte
	sai, idi, idr []byte // payload bodies as they went into the hashes
	keys          Phase1Keys
	ka, iv        []byte
	messages      [][]byte // headers and bodies in the order of the conversation
	clear         [][]byte // what the first encrypted ones say
	children      []childKeys
}

// childKeys are the two SAs of one quick mode: toI is the one with the SPI that
// the initiator chose.
type childKeys struct {
	spiI, spiR  []byte
	gqm, ni, nr []byte
	toI, toR    []byte // the cipher's key and the integrity key behind it
}

func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.json")
	if err != nil || len(files) != 7 {
		t.Fatalf("%d conversations, %v", len(files), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) { readRecording(t, path).conversation(t).verify(t) })
	}
}

func (c conversation) verify(t *testing.T) {
	k := ExpandPhase1(c.hash, xfrm.NewSecret([]byte(c.psk)), c.ni, c.nr, c.gxy, c.cookies)
	same(t, "SKEYID", k.ID, c.keys.ID)
	same(t, "SKEYID_d", k.D, c.keys.D)
	same(t, "SKEYID_a", k.A, c.keys.A)
	same(t, "SKEYID_e", k.E, c.keys.E)
	same(t, "Ka", c.cipherKey(k), c.ka)
	same(t, "IV", c.firstIV(), c.iv)
	c.verifyPublics(t)
	c.verifyAuthentication(t, k, c.decryptAll(t, k))
	for _, one := range c.children {
		for what, sa := range map[string]struct{ spi, want []byte }{
			"keys to the initiator": {one.spiI, one.toI},
			"keys to the responder": {one.spiR, one.toR},
		} {
			spi := binary.BigEndian.Uint32(sa.spi)
			same(t, what, KeyMat(c.hash, k.D, one.gqm, 3, spi, one.ni, one.nr, len(sa.want)), sa.want)
		}
	}
}

func (c conversation) verifyPublics(t *testing.T) {
	for _, peer := range [][]byte{c.gxi, c.gxr} {
		if err := checkPublic(c.group, peer); err != nil {
			t.Error(err)
		}
	}
}

// verifyAuthentication finds HASH_I and HASH_R in what was said.
func (c conversation) verifyAuthentication(t *testing.T, k Phase1Keys, said []byte) {
	i, r := c.cookies.Initiator[:], c.cookies.Responder[:]
	for name, hash := range map[string][]byte{
		"HASH_I": PRF(c.hash, k.ID, c.gxi, c.gxr, i, r, c.sai, c.idi),
		"HASH_R": PRF(c.hash, k.ID, c.gxr, c.gxi, r, i, c.sai, c.idr),
	} {
		if !bytes.Contains(said, hash) {
			t.Errorf("%s %x is in no message", name, hash)
		}
	}
}

func (c conversation) cipherKey(k Phase1Keys) []byte {
	return CipherKey(c.hash, k.E, c.cipher.Cipher.KeySize(c.cipher.KeyBits))
}

func (c conversation) firstIV() []byte {
	return Sum(c.hash, c.gxi, c.gxr)[:c.cipher.Cipher.BlockSize()]
}

// decryptAll walks through the messages as both ends did and returns everything
// that was said, the encrypted in clear.
func (c conversation) decryptAll(t *testing.T, k Phase1Keys) []byte {
	cbc, err := NewCBC(c.cipher.Cipher, c.cipherKey(k))
	if err != nil {
		t.Fatal(err)
	}
	var said []byte
	known, phase1 := c.clear, string(make([]byte, 4))
	ivs := map[string][]byte{phase1: c.firstIV()} // by message id
	for _, m := range c.messages {
		mid, body := string(m[20:24]), m[28:]
		if encrypted := m[19]&1 == 1; !encrypted {
			said = append(said, body...)
			continue
		}
		iv, begun := ivs[mid]
		if !begun {
			iv = Sum(c.hash, ivs[phase1], []byte(mid))[:cbc.BlockSize()]
		}
		text := bothWays(t, cbc, iv, body)
		said = append(said, text...)
		if len(known) > 0 {
			same(t, "clear text", text, known[0])
			known = known[1:]
		}
		if !begun {
			c.verifyHash1(t, k, mid, text)
		}
		ivs[mid] = body[len(body)-cbc.BlockSize():]
	}
	if len(known) != 0 {
		t.Errorf("%d clear texts more than encrypted messages", len(known))
	}
	return said
}

// bothWays decrypts a body and wants the same again from encrypting.
func bothWays(t *testing.T, cbc *CBC, iv, body []byte) []byte {
	text, again := make([]byte, len(body)), make([]byte, len(body))
	cbc.Decrypt(iv, text, body)
	cbc.Encrypt(iv, again, text)
	same(t, "cipher text", again, body)
	return text
}

// verifyHash1 holds the hash that an exchange begins with, prf(SKEYID_a, M-ID |
// the payloads behind it), against ours. It says that a message was decrypted
// rightly where the recording does not say its clear text.
func (c conversation) verifyHash1(t *testing.T, k Phase1Keys, mid string, text []byte) {
	end := 0
	for next := byte(8); next != 0; {
		next = text[end]
		end += int(binary.BigEndian.Uint16(text[end+2:]))
	}
	first := 4 + c.hash.Size()
	same(t, "HASH(1)", PRF(c.hash, k.A, []byte(mid), text[first:end]), text[4:first])
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if len(want) == 0 || !bytes.Equal(got, want) {
		t.Errorf("%s %x, want %x", what, got, want)
	}
}
