package crypt

import (
	"bytes"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

// recording is a file of testdata/conversations. The two kinds, golden-* and
// kat-*, call the same things by different names.
type recording map[string]any

func readRecording(t *testing.T, path string) recording {
	var r recording
	readJSON(t, path, &r)
	return r
}

// text is the first of the names that the recording has.
func (r recording) text(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if s, ok := r[name].(string); ok {
			return s
		}
	}
	t.Fatalf("the recording has none of %v", names)
	return ""
}

func (r recording) hex(t *testing.T, names ...string) []byte {
	t.Helper()
	return unhex(t, r.text(t, names...))
}

func (r recording) number(name string) int {
	n, _ := r[name].(float64)
	return int(n)
}

func (r recording) list(name string) []any {
	l, _ := r[name].([]any)
	return l
}

func (r recording) conversation(t *testing.T) conversation {
	hash, err := suite.ParseHash(r.text(t, "hash"))
	if err != nil {
		t.Fatal(err)
	}
	c := conversation{
		hash: hash.Hash, cipher: r.cipher(t), group: ike.Group(r.number("group")),
		gxi: r.hex(t, "g_xi", "ke_i"), gxr: r.hex(t, "g_xr", "ke_r"), gxy: r.hex(t, "g_xy"),
		ni: r.hex(t, "ni"), nr: r.hex(t, "nr"),
		sai: r.hex(t, "sai_b"), idi: r.hex(t, "id_i", "idii_b"), idr: r.hex(t, "id_r", "idir_b"),
		keys: Phase1Keys{r.hex(t, "skeyid"), r.hex(t, "skeyid_d"), r.hex(t, "skeyid_a"), r.hex(t, "skeyid_e")},
		ka:   r.hex(t, "ka"), iv: r.hex(t, "iv", "iv0"),
	}
	copy(c.cookies.Initiator[:], r.hex(t, "cky_i"))
	copy(c.cookies.Responder[:], r.hex(t, "cky_r"))
	if r["children"] != nil {
		r.golden(t, &c)
	} else {
		r.kat(t, &c)
	}
	return c
}

func (r recording) cipher(t *testing.T) suite.Cipher {
	if word, ok := r["cipher"].(string); ok {
		c, err := suite.ParseCipher(map[string]string{"des": "des", "3des": "3des", "aes": "aes-256"}[word])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	bits := suite.NoKeyLength
	if r["key_bits"] != nil {
		bits = r.number("key_bits")
	}
	c, ok := suite.CipherByPhase1(uint16(r.number("enc")), bits)
	if !ok {
		t.Fatalf("no cipher %d with %d bits", r.number("enc"), bits)
	}
	return c
}

// golden reads what a list of messages and a list of children say.
func (r recording) golden(t *testing.T, c *conversation) {
	c.psk = recording(r["params"].(map[string]any)).text(t, "psk")
	for _, each := range r.list("messages") {
		m := recording(each.(map[string]any))
		c.messages = append(c.messages, m.hex(t, "raw"))
		if m["plain"] != nil {
			c.clear = append(c.clear, m.hex(t, "plain"))
		}
	}
	for _, each := range r.list("children") {
		ch := recording(each.(map[string]any))
		c.children = append(c.children, childKeys{
			spiI: ch.hex(t, "spi_i"), spiR: ch.hex(t, "spi_r"),
			gqm: ch.hex(t, "pfs_secret"), ni: ch.hex(t, "ni"), nr: ch.hex(t, "nr"),
			toI: append(ch.hex(t, "enc_r2i"), ch.hex(t, "int_r2i")...),
			toR: append(ch.hex(t, "enc_i2r"), ch.hex(t, "int_i2r")...),
		})
	}
}

// kat reads what came as two lists of datagrams. An answer stands behind the
// message with the same id.
func (r recording) kat(t *testing.T, c *conversation) {
	c.psk = r.text(t, "psk")
	answers := r.list("to_initiator")
	for _, each := range r.list("to_responder") {
		m := c.withoutMarker(unhex(t, each.(string)))
		c.messages = append(c.messages, m)
		if len(answers) == 0 {
			continue
		}
		answer := c.withoutMarker(unhex(t, answers[0].(string)))
		if bytes.Equal(answer[20:24], m[20:24]) {
			c.messages, answers = append(c.messages, answer), answers[1:]
		}
	}
	if len(answers) != 0 {
		t.Errorf("%d answers without a question", len(answers))
	}
	for _, name := range []string{"mm5_plain", "mm6_plain", "am3_plain"} {
		if r[name] != nil {
			c.clear = append(c.clear, r.hex(t, name))
		}
	}
	for _, plain := range r.list("qm_plain") {
		c.clear = append(c.clear, unhex(t, plain.(string)))
	}
	c.children = []childKeys{{
		spiI: r.hex(t, "spi_i"), spiR: r.hex(t, "spi_r"),
		gqm: r.hex(t, "qm_gxy"), ni: r.hex(t, "qm_ni"), nr: r.hex(t, "qm_nr"),
		// strongSwan logs the keys by who encrypts with them.
		toI: r.hex(t, "keymat_responder"), toR: r.hex(t, "keymat_initiator"),
	}}
	// The group is an attribute of the one transform that was offered.
	_, group, _ := bytes.Cut(c.sai, []byte{0x80, 4, 0})
	c.group = ike.Group(group[0])
}

// withoutMarker takes off the non-ESP marker of port 4500.
func (c *conversation) withoutMarker(datagram []byte) []byte {
	if bytes.HasPrefix(datagram, c.cookies.Initiator[:]) {
		return datagram
	}
	return datagram[4:]
}
