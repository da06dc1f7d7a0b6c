package userspace

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	check(tb, err)
	return b
}

func readJSON(tb testing.TB, name string, into any) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	check(tb, err)
	check(tb, json.Unmarshal(b, into))
}

// givenIV is a block cipher that yields the IV of a sample.
type givenIV []byte

func (v givenIV) BlockSize() int        { return len(v) }
func (v givenIV) Encrypt(dst, _ []byte) { copy(dst, v) }
func (v givenIV) Decrypt(dst, _ []byte) { copy(dst, v) }

// The sample packets of RFC 3602 have no integrity value: ours is their bytes
// and one behind.
func TestRFC3602(t *testing.T) {
	var file struct {
		Cases []struct {
			Case                                     int
			Key, SPI, Seq, IV, Plaintext, Ciphertext string
		}
	}
	readJSON(t, "rfc3602_esp.json", &file)
	if len(file.Cases) == 0 {
		t.Fatal("no samples")
	}
	for _, c := range file.Cases {
		sa := testSA(plain)
		sa.EncKey = xfrm.NewSecret(unhex(t, c.Key))
		sa.SPI = binary.BigEndian.Uint32(unhex(t, c.SPI))
		s, err := newSealer(sa, nil)
		check(t, err)
		s.ivs = givenIV(unhex(t, c.IV))
		text := unhex(t, c.Plaintext)
		end := len(text) - espTrailer
		n := end - int(text[end])
		buf := make([]byte, headroom+n+tailroom)
		copy(buf[headroom:], text[:n])
		esp := s.seal(buf, headroom, n, text[end+1], binary.BigEndian.Uint32(unhex(t, c.Seq)))
		want := unhex(t, c.SPI+c.Seq+c.IV+c.Ciphertext)
		if got := esp[:len(esp)-s.mac.size]; !bytes.Equal(got, want) {
			t.Errorf("case %d\n got %x\nwant %x", c.Case, got, want)
		}
		o, err := newOpener(sa)
		check(t, err)
		if got, next, err := o.open(esp); err != nil || next != text[end+1] || !bytes.Equal(got, text[:n]) {
			t.Errorf("case %d: opened to %x, next header %d, %v", c.Case, got, next, err)
		}
	}
}

// child is a pair of SAs of a recorded conversation.
type child struct {
	Capture         string
	Transform, Auth int
	KeyBits         int    `json:"key_bits"`
	SPII            string `json:"spi_i"`
	SPIR            string `json:"spi_r"`
	EncI            string `json:"enc_i2r"`
	IntI            string `json:"int_i2r"`
	EncR            string `json:"enc_r2i"`
	IntR            string `json:"int_r2i"`
}

func (c child) suite() xfrm.Suite {
	s := xfrm.Suite{KeyBits: c.KeyBits}
	s.Cipher = map[int]xfrm.Cipher{2: xfrm.DESCBC, 3: xfrm.TripleDESCBC, 12: xfrm.AESCBC}[c.Transform]
	s.Hash = map[int]xfrm.Hash{1: xfrm.MD5, 2: xfrm.SHA1, 5: xfrm.SHA256}[c.Auth]
	return s
}

// Every ESP packet that strongSwan sent opens to a ping between the two hosts,
// and sealing that again with the same IV gives the same bytes.
func TestRecordedESP(t *testing.T) {
	var children []child
	readJSON(t, "children.json", &children)
	opened := map[string]int{}
	for _, c := range children {
		for _, d := range []struct{ spi, enc, auth string }{{c.SPIR, c.EncI, c.IntI}, {c.SPII, c.EncR, c.IntR}} {
			sa := testSA(c.suite())
			sa.SPI = binary.BigEndian.Uint32(unhex(t, d.spi))
			sa.EncKey, sa.AuthKey = xfrm.NewSecret(unhex(t, d.enc)), xfrm.NewSecret(unhex(t, d.auth))
			for _, esp := range recorded(t, c.Capture, sa.SPI) {
				sameAsRecorded(t, sa, esp)
				opened[c.Capture]++
			}
		}
	}
	if len(opened) != 4 {
		t.Fatalf("packets of %d captures were opened, there are 4: %v", len(opened), opened)
	}
	t.Log(opened)
}

func sameAsRecorded(t *testing.T, sa xfrm.SA, esp []byte) {
	t.Helper()
	o, err := newOpener(sa)
	check(t, err)
	text, next, err := o.open(bytes.Clone(esp))
	if err != nil {
		t.Errorf("SA %#x: %v", sa.SPI, err)
		return
	}
	h, ok := readInner(text)
	if !ok || next != h.nextHeader() || h.len != len(text) || text[9] != protoICMP {
		t.Errorf("SA %#x: next header %d, %x is no ping", sa.SPI, next, text)
		return
	}
	s, err := newSealer(sa, nil)
	check(t, err)
	s.ivs = givenIV(esp[espHeader : espHeader+s.block])
	buf := make([]byte, headroom+len(text)+tailroom)
	copy(buf[headroom:], text)
	if again := s.seal(buf, headroom, len(text), next, binary.BigEndian.Uint32(esp[4:])); !bytes.Equal(again, esp) {
		t.Errorf("SA %#x: sealed again\n got %x\nwant %x", sa.SPI, again, esp)
	}
}

// recorded reads the ESP in UDP packets of one SA out of a capture.
func recorded(t *testing.T, name string, spi uint32) (packets [][]byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	check(t, err)
	const fileHeader, recordHeader, ethernet, udp = 24, 16, 14, 8
	for b = b[fileHeader:]; len(b) > recordHeader; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		frame := b[recordHeader : recordHeader+n]
		b = b[recordHeader+n:]
		ip := frame[ethernet:]
		if ip[0]>>4 != 4 || ip[9] != 17 || binary.BigEndian.Uint16(ip[22:]) != xfrm.PortNATT {
			continue
		}
		if esp := ip[ipv4HeaderMin+udp : binary.BigEndian.Uint16(ip[2:])]; binary.BigEndian.Uint32(esp) == spi {
			packets = append(packets, esp)
		}
	}
	return packets
}
