package isakmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// offer is message 1 of a recorded conversation (strongSwan 5.9.8, DES, MD5,
// group 1).
const offer = "e44bf21cbb77908d00000000000000000110020000000000000000b00d00003400000001000000010000002801010001000000200101000080010001800200018004000180030001800b0001800c3de00d00000c09002689dfd6b7120d000014afcad71368a1f1c96b8696fc775701000d0000184048b7d56ebce88525e7de7f00d6c2d3800000000d0000144a131c81070358455c5728f20e95452f0000001490cb80913ebb696e086381b5ec427b1f"

// fragment is a message with the first 8 bytes of the offer as its first fragment.
const fragment = "e44bf21cbb77908d000000000000000184100200000000000000002c00000010" + "00010100" + "e44bf21cbb77908d"

func TestRecordedOfferRoundTrips(t *testing.T) {
	data := unhex(t, offer)
	h, err := ParseHeader(data)
	if err != nil || h.Exchange != MainMode || h.Next != SA || h.Length != uint32(len(data)) {
		t.Fatalf("%+v, %v", h, err)
	}
	chain, n, err := Chain(h.Next, data[HeaderSize:])
	if err != nil || n != len(data)-HeaderSize || len(chain) != 6 {
		t.Fatalf("%d payloads in %d bytes, %v", len(chain), n, err)
	}
	if again := AppendChain(h.Append(nil), chain...); !bytes.Equal(again, data) {
		t.Fatalf("writes\n%x instead of\n%x", again, data)
	}
	sa, err := ParseSA(chain[0].Body)
	if err != nil || len(sa.Proposals) != 1 || len(sa.Proposals[0].Transforms) != 1 {
		t.Fatalf("%+v, %v", sa, err)
	}
	if again := sa.Append(nil); !bytes.Equal(again, chain[0].Body) {
		t.Fatalf("writes the SA as\n%x instead of\n%x", again, chain[0].Body)
	}
	want := []Attribute{{AttrCipher, 1}, {AttrHash, 1}, {AttrGroup, 1}, {AttrAuth, AuthPSK}, {AttrLifeType, LifeSeconds}, {AttrLife, 15840}}
	for i, a := range sa.Proposals[0].Transforms[0].Attributes {
		if a != want[i] {
			t.Errorf("attribute %d is %v instead of %v", i, a, want[i])
		}
	}
}

func TestBadHeaders(t *testing.T) {
	good := unhex(t, offer)
	change := func(at int, b ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], b)
		return data
	}
	for _, c := range []struct {
		what string
		data []byte
		want error
	}{
		{"nothing", nil, ErrTruncated},
		{"27 bytes", good[:27], ErrTruncated},
		{"version 2", change(17, 0x20), ErrIKEv2},
		{"version 2 as no version 1", change(17, 0x20), ErrVersion},
		{"version 3", change(17, 0x30), ErrVersion},
		{"a length of 0", change(24, 0, 0, 0, 0), ErrLength},
		{"a length of 27", change(24, 0, 0, 0, 27), ErrLength},
		{"a length beyond the datagram", change(24, 0, 0, 0, 0xb1), ErrLength},
		{"a length of 4 GiB", change(24, 0xff, 0xff, 0xff, 0xff), ErrLength},
	} {
		if _, err := ParseHeader(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v instead of %v", c.what, err, c.want)
		}
	}
	if h, err := ParseHeader(append(bytes.Clone(good), 0, 0)); err != nil || int(h.Length) != len(good) {
		t.Errorf("bytes behind the message are an error: %v", err)
	}
}

func TestBadChains(t *testing.T) {
	long := make([]byte, 0, 4*(MaxPayloads+1))
	for range MaxPayloads + 1 {
		long = append(long, byte(Vendor), 0, 0, 4)
	}
	for what, b := range map[string][]byte{
		"an empty payload":              {0, 0},
		"a length below its own header": {0, 0, 0, 3},
		"a length of 0 for ever":        {13, 0, 0, 0},
		"a length beyond the message":   {0, 0, 0, 9, 1, 2, 3, 4},
		"a chain that goes on":          {13, 0, 0, 4},
		"more payloads than a message":  long,
	} {
		if chain, _, err := Chain(Vendor, b); err == nil {
			t.Errorf("%s gives %v", what, chain)
		}
	}
	if chain, n, err := Chain(Hash, []byte{0, 0, 0, 5, 7, 0, 0, 0}); err != nil || n != 5 || len(chain) != 1 {
		t.Errorf("padding is taken for a payload: %v, %d, %v", chain, n, err)
	}
	if chain, n, err := Chain(None, nil); err != nil || n != 0 || chain != nil {
		t.Errorf("an empty chain: %v, %d, %v", chain, n, err)
	}
}

func TestAttributesInBothForms(t *testing.T) {
	for _, c := range []struct {
		what, hex string
		value     uint64
		bad       bool
	}{
		{what: "short", hex: "800c3de0", value: 15840},
		{what: "long, one byte", hex: "000c000105", value: 5},
		{what: "long, four bytes", hex: "000c000400015180", value: 86400},
		{what: "long, eight bytes", hex: "000c00080000000100000000", value: 1 << 32},
		{what: "long, leading zeros", hex: "000c000a00000000000000000007", value: 7},
		{what: "long, empty", hex: "000c0000", value: 0},
		{what: "long, nine bytes of value", hex: "000c0009010000000000000000", value: math.MaxUint64},
		{what: "a length beyond the end", hex: "000c000500015180", bad: true},
		{what: "cut", hex: "000c00", bad: true},
	} {
		list, err := ParseAttributes(unhex(t, c.hex))
		if c.bad != (err != nil) {
			t.Errorf("%s: %v, %v", c.what, list, err)
		}
		if !c.bad && (len(list) != 1 || list[0] != Attribute{AttrLife, c.value}) {
			t.Errorf("%s: %v", c.what, list)
		}
	}
}

// Durations go out long whatever their size; all else short.
func TestAttributesWritten(t *testing.T) {
	got := AppendAttributes(nil, ProtoESP, []Attribute{{ESPLifeType, 1}, {ESPLife, 3600}, {ESPLifeType, 2}, {ESPLife, 1 << 33}, {ESPAuth, 2}})
	if want := unhex(t, "800100010002000400000e108001000200020008000000020000000080050002"); !bytes.Equal(got, want) {
		t.Errorf("%x instead of %x", got, want)
	}
	got = AppendAttributes(nil, ProtoISAKMP, []Attribute{{AttrHash, 2}, {AttrLife, 60}})
	if want := unhex(t, "80020002000c00040000003c"); !bytes.Equal(got, want) {
		t.Errorf("%x instead of %x", got, want)
	}
}

func TestBadSAs(t *testing.T) {
	for what, s := range map[string]string{
		"nothing":                             "",
		"another DOI":                         "0000000200000001",
		"another situation":                   "0000000100000002",
		"bytes behind the last proposal":      "0000000100000001" + "0000000801010000" + "00",
		"a proposal cut in its SPI":           "0000000100000001" + "000000080103ff01",
		"a notify among the proposals":        "0000000100000001" + "0b00000801010000" + "0000000801010000",
		"a transform that is cut":             "0000000100000001" + "0000000d01010001" + "0000000501",
		"an attribute that is cut":            "0000000100000001" + "0000001201010001" + "0000000a01010000" + "8001",
		"a proposal shorter than its header":  "0000000100000001" + "0000000501",
		"a chain of proposals without an end": "0000000100000001" + "0200000801010000",
	} {
		if sa, err := ParseSA(unhex(t, s)); err == nil {
			t.Errorf("%s gives %+v", what, sa)
		}
	}
}

// A deletion's count is a claim: nothing is built before it fits.
func TestDeletions(t *testing.T) {
	d, err := ParseDelete(unhex(t, "00000001030400020102030405060708"))
	if err != nil || len(d.SPIs) != 2 || !bytes.Equal(d.SPIs[1], []byte{5, 6, 7, 8}) {
		t.Fatalf("%+v, %v", d, err)
	}
	if again := d.Append(nil); !bytes.Equal(again, unhex(t, "00000001030400020102030405060708")) {
		t.Errorf("writes %x", again)
	}
	for _, s := range []string{"", "0000000103", "000000010304ffff01020304", "000000010300ffff", "0000000103040001010203"} {
		if d, err := ParseDelete(unhex(t, s)); err == nil {
			t.Errorf("%s gives %+v", s, d)
		}
	}
}

func TestNotifications(t *testing.T) {
	n := Notification{Protocol: ProtoESP, SPI: []byte{1, 2, 3, 4}, Type: ResponderLifetime, Data: []byte{9}}
	got, err := ParseNotify(n.Append(nil))
	if err != nil || got.Type != n.Type || !bytes.Equal(got.SPI, n.SPI) || !bytes.Equal(got.Data, n.Data) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := ParseNotify(unhex(t, "0000000103ff000e01")); err == nil {
		t.Error("an SPI beyond the end is accepted")
	}
	if NoProposalChosen.String() != "NO-PROPOSAL-CHOSEN" || NotifyType(40001).String() != "NOTIFY-40001" {
		t.Error("names are wrong")
	}
	if !InvalidID.IsError() || InitialContact.IsError() {
		t.Error("errors and states are mixed up")
	}
}

func TestIdentifications(t *testing.T) {
	id := Identification{Type: FQDN, Protocol: 17, Port: 500, Data: []byte("idc.example")}
	got, err := ParseID(id.Append(nil))
	if err != nil || got.Type != id.Type || got.Port != 500 || !bytes.Equal(got.Data, id.Data) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := ParseID([]byte{1, 0, 0}); err == nil {
		t.Error("three bytes are an identification")
	}
}

// A fragment as it goes over the wire, and what is none.
func TestFragments(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want Fragment
	}{
		{"00010100" + "e44bf21c", Fragment{ID: 1, Number: 1, Data: []byte{0xe4, 0x4b, 0xf2, 0x1c}}},
		{"abcdff01" + "00", Fragment{ID: 0xabcd, Number: 255, Last: true, Data: []byte{0}}},
		{"00000201", Fragment{Number: 2, Last: true}},
	} {
		b := unhex(t, c.hex)
		f, err := ParseFragment(b)
		if err != nil || f.ID != c.want.ID || f.Number != c.want.Number || f.Last != c.want.Last || !bytes.Equal(f.Data, c.want.Data) {
			t.Errorf("%s reads as %+v, %v", c.hex, f, err)
		}
		if again := c.want.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%+v writes as %x", c.want, again)
		}
	}
	for _, s := range []string{"", "000101", "0001000100"} {
		if f, err := ParseFragment(unhex(t, s)); err == nil {
			t.Errorf("%q gives %+v", s, f)
		}
	}
}

// FuzzDecode: no bytes crash the reader, and what reads as an SA reads the same
// after being written.
func FuzzDecode(f *testing.F) {
	f.Add(unhex(f, offer))
	f.Add(unhex(f, "00000001030400020102030405060708"))
	f.Add(unhex(f, fragment))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ParseHeader(b); err == nil {
			chain, n, err := Chain(h.Next, b[HeaderSize:h.Length])
			if err == nil && (n > len(b) || len(chain) > MaxPayloads) {
				t.Fatalf("%d payloads in %d bytes", len(chain), n)
			}
			for _, p := range chain {
				readBody(t, p.Body)
			}
		}
		readBody(t, b)
	})
}

func readBody(t *testing.T, b []byte) {
	if sa, err := ParseSA(b); err == nil {
		once := sa.Append(nil)
		again, err := ParseSA(once)
		if err != nil || !bytes.Equal(again.Append(nil), once) {
			t.Fatalf("%x reads as %+v and writes as %x", b, sa, once)
		}
	}
	if d, err := ParseDelete(b); err == nil && len(bytes.Join(d.SPIs, nil)) > len(b) {
		t.Fatalf("%d SPIs in %d bytes", len(d.SPIs), len(b))
	}
	if f, err := ParseFragment(b); err == nil && len(f.Append(nil)) != len(b) {
		t.Fatalf("%x reads as %+v", b, f)
	}
	_, _ = ParseID(b)
	_, _ = ParseNotify(b)
	_, _ = ParseAttributes(b)
}
