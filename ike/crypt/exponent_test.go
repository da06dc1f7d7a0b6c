package crypt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

func TestEveryGroupOfTheSuiteAgrees(t *testing.T) {
	if len(groups) != len(suite.Groups) {
		t.Errorf("%d groups, suite has %d", len(groups), len(suite.Groups))
	}
	for _, g := range suite.Groups {
		t.Run(g.Word, func(t *testing.T) {
			a, b := exponent(t, g.Group), exponent(t, g.Group)
			ga, gb := public(t, a), public(t, b)
			if len(ga) != g.Public || len(gb) != g.Public {
				t.Errorf("public values of %d and %d bytes, want %d", len(ga), len(gb), g.Public)
			}
			if bytes.Equal(ga, gb) {
				t.Error("two exponents are the same")
			}
			if err := checkPublic(g.Group, ga); err != nil {
				t.Error(err)
			}
			same(t, "g^xy", shared(t, a, gb), shared(t, b, ga))
			same(t, "g^x again", public(t, a), ga)
		})
	}
}

// The jobs of one exponent run in the worker pool, with two at a time even on
// the first use of a group (run with -race).
func TestPublicAndSharedInTwoGoroutines(t *testing.T) {
	for _, g := range []ike.Group{2, 20} {
		x, peer := exponent(t, g), public(t, exponent(t, g))
		results := make(chan error)
		go func() { _, err := x.Public(); results <- err }()
		go func() { _, err := x.Shared(peer); results <- err }()
		if err := errors.Join(<-results, <-results); err != nil {
			t.Error(err)
		}
	}
}

func TestExponentsAreDrawnFromTheSourceOnly(t *testing.T) {
	for _, g := range suite.Groups {
		chance := bytes.Repeat([]byte{0x5a}, 66)
		a, err := NewExponent(g.Group, bytes.NewReader(chance))
		b, err2 := NewExponent(g.Group, bytes.NewReader(chance))
		if err != nil || err2 != nil {
			t.Fatal(g.Word, err, err2)
		}
		same(t, g.Word, public(t, a), public(t, b))
	}
}

func TestExponentsAreBelowTheOrder(t *testing.T) {
	for _, c := range []struct {
		group ike.Group
		first byte // of the first draw, which the order does not allow
	}{{19, 0xff}, {20, 0xff}, {24, 0xff}, {21, 0xff}} {
		size := groups[c.group].scalar().size
		refused := bytes.Repeat([]byte{c.first}, size)
		taken := bytes.Repeat([]byte{0x11}, size)
		x, err := NewExponent(c.group, io.MultiReader(bytes.NewReader(refused), bytes.NewReader(taken)))
		if err != nil {
			t.Fatal(err)
		}
		taken[0] &= groups[c.group].scalar().top
		same(t, c.group.String(), x.secret.Open(), taken)
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		x, limit string
		want     bool
	}{
		{"\x00\x00", "\x00\x01", true},
		{"\x00\x01", "\x00\x01", false},
		{"\x01\x00", "\x00\xff", false},
		{"\x00\xff", "\x01\x00", true},
		{"\xff\xff", "\xff\xff", false},
		{"\xff\xfe", "\xff\xff", true},
		{"\x7f\x80", "\x80\x7f", true},
	} {
		if got := below([]byte(c.x), []byte(c.limit)); got != c.want {
			t.Errorf("%x below %x: %v", c.x, c.limit, got)
		}
	}
}

func TestABrokenSourceOfChanceIsReported(t *testing.T) {
	for _, c := range []struct {
		group ike.Group
		rand  io.Reader
		want  string
	}{
		{14, iotest.ErrReader(errors.New("no entropy")), "no entropy"},
		{14, bytes.NewReader(make([]byte, 31)), "unexpected EOF"},
		{14, endless(0), "source of chance is broken"},
		{19, endless(0xff), "source of chance is broken"},
		{24, endless(0xff), "source of chance is broken"},
		{22, endless(1), "group22 is not a Diffie-Hellman group"},
		{0, endless(1), "none is not a Diffie-Hellman group"},
	} {
		_, err := NewExponent(c.group, c.rand)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want one with %q", c.group, err, c.want)
		}
	}
}

// endless reads the same byte for ever.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

func TestExponentIsHiddenAndWiped(t *testing.T) {
	for _, g := range []ike.Group{2, 19} {
		x, err := NewExponent(g, endless(0x41))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{fmt.Sprintf("%v %+v %s %x", x, x, x, x), fmt.Sprintf("%#v", x)} {
			if strings.Contains(s, "AAAA") || strings.Contains(s, "4141") || strings.Contains(s, "65 65") {
				t.Errorf("%v: the exponent is in %q", g, s)
			}
		}
		x.Wipe()
		same(t, "wiped", x.secret.Open(), make([]byte, 32))
	}
}

// checkPublic is the check that Shared makes of a peer's value before it
// computes.
func checkPublic(g ike.Group, peer []byte) (err error) {
	switch gr := groups[g].(type) {
	case *modp:
		_, err = gr.parse(peer)
	case *curve:
		_, err = gr.parse(peer)
	default:
		err = unknown(g)
	}
	return err
}

func TestBadPublicValuesAreRefused(t *testing.T) {
	for _, c := range badPublics(t) {
		t.Run(fmt.Sprintf("%v %s", c.group, c.name), func(t *testing.T) {
			err := checkPublic(c.group, c.value)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.group.String()) {
				t.Errorf("the check: %v, want %q", err, c.want)
			}
			if s, again := exponent(t, c.group).Shared(c.value); s != nil || again == nil || again.Error() != err.Error() {
				t.Errorf("Shared: %x, %v", s, again)
			}
		})
	}
}

type badPublic struct {
	group ike.Group
	name  string
	value []byte
	want  string
}

func badPublics(t *testing.T) []badPublic {
	var all []badPublic
	for _, g := range modpNumbers() {
		p := modpGroup(g).bigPrime()
		size := len(p.Bytes())
		value := func(n *big.Int) []byte { return n.FillBytes(make([]byte, size)) }
		off := func(d int64) []byte { return value(new(big.Int).Add(p, big.NewInt(d))) }
		two := value(big.NewInt(2))
		all = append(all,
			badPublic{g, "empty", nil, "has 0 bytes"},
			badPublic{g, "one byte short", two[1:], fmt.Sprintf("has %d bytes, must have %d", size-1, size)},
			badPublic{g, "one byte long", append([]byte{0}, two...), fmt.Sprintf("has %d bytes", size+1)},
			badPublic{g, "0", value(new(big.Int)), "is 0, 1 or -1"},
			badPublic{g, "1", value(big.NewInt(1)), "is 0, 1 or -1"},
			badPublic{g, "p-1", off(-1), "is 0, 1 or -1"},
			badPublic{g, "p", off(0), "not below the prime"},
			badPublic{g, "p+1", off(1), "not below the prime"},
			badPublic{g, "all ones", bytes.Repeat([]byte{0xff}, size), "not below the prime"},
		)
	}
	all = append(all,
		badPublic{24, "2, of a great order", publicOf24(big.NewInt(2)), "outside of the group's subgroup"},
		badPublic{24, "of a small order", smallOrder24(t), "outside of the group's subgroup"},
	)
	for _, g := range []ike.Group{19, 20, 21} {
		size := groups[g].(*curve).wire
		good := public(t, exponent(t, g))
		off := bytes.Clone(good)
		off[size-1] ^= 1
		all = append(all,
			badPublic{g, "empty", nil, "has 0 bytes"},
			badPublic{g, "x alone", good[:size/2], "bytes, must have"},
			badPublic{g, "with the leading 4", append([]byte{4}, good...), "bytes, must have"},
			badPublic{g, "0,0", make([]byte, size), "not a point of the curve"},
			badPublic{g, "beside the curve", off, "not a point of the curve"},
			badPublic{g, "beyond the field", bytes.Repeat([]byte{0xff}, size), "not a point of the curve"},
		)
	}
	return append(all, badPublic{31, "short", make([]byte, 31), "has 31 bytes, must have 32"})
}

func publicOf24(n *big.Int) []byte { return n.FillBytes(make([]byte, 256)) }

// smallOrder24 is a value that a small power makes 1: p-1 of group 24 has small
// prime factors besides 2, and h^((p-1)/r) has order r.
func smallOrder24(t *testing.T) []byte {
	p := modpGroup(24).bigPrime()
	less := new(big.Int).Sub(p, big.NewInt(1))
	for r := int64(3); r < 1000; r += 2 {
		cofactor, rest := new(big.Int).QuoRem(less, big.NewInt(r), new(big.Int))
		if rest.Sign() != 0 {
			continue
		}
		for h := int64(2); h < 20; h++ {
			v := new(big.Int).Exp(big.NewInt(h), cofactor, p)
			if v.Cmp(big.NewInt(1)) != 0 {
				return publicOf24(v)
			}
		}
	}
	t.Fatal("p-1 has no small factor")
	return nil
}

// Group 31 takes any 32 bytes; what leads to an all-zero secret is found when
// the secret is there.
func TestX25519RefusesAValueOfLowOrder(t *testing.T) {
	for _, low := range [][]byte{make([]byte, 32), append([]byte{1}, make([]byte, 31)...)} {
		if err := checkPublic(31, low); err != nil {
			t.Error(err)
		}
		_, err := exponent(t, 31).Shared(low)
		if err == nil || !strings.Contains(err.Error(), "gives no secret") {
			t.Errorf("%x: error %v", low, err)
		}
	}
}

// FuzzPublic holds the check of public values against math/big's opinion of a MODP value,
// and wants of the others that what is accepted can be computed with.
func FuzzPublic(f *testing.F) {
	for _, g := range suite.Groups {
		p := public(f, exponent(f, g.Group))
		f.Add(uint16(g.Group), p)
		f.Add(uint16(g.Group), p[1:])
		f.Add(uint16(g.Group), bytes.Repeat([]byte{0xff}, g.Public))
		f.Add(uint16(g.Group), make([]byte, g.Public))
	}
	f.Add(uint16(0), []byte{})
	own := map[ike.Group]Exponent{}
	for _, g := range []ike.Group{19, 31} {
		own[g] = exponent(f, g)
	}
	f.Fuzz(func(t *testing.T, number uint16, value []byte) {
		g := ike.Group(number)
		err := checkPublic(g, value)
		row, known := suite.GroupOf(g)
		if !known && err == nil {
			t.Fatalf("%v does not exist", g)
		}
		if err == nil && len(value) != row.Public {
			t.Errorf("%v: took %d bytes", g, len(value))
		}
		if m, ok := groups[g].(*modp); ok && (err == nil) != m.wants(value) {
			t.Errorf("%v %x: %v", g, value, err)
		}
		if x, ok := own[g]; ok && err == nil {
			if _, err := x.Shared(value); err != nil && g != 31 {
				t.Errorf("%v %x: %v", g, value, err)
			}
		}
	})
}

// wants is math/big's opinion of a public value.
func (m *modp) wants(value []byte) bool {
	one, p, v := big.NewInt(1), m.bigPrime(), new(big.Int).SetBytes(value)
	switch {
	case len(value) != len(p.Bytes()):
		return false
	case v.Cmp(one) <= 0 || v.Cmp(new(big.Int).Sub(p, one)) >= 0:
		return false
	case m.params.order == "":
		return true
	}
	return new(big.Int).Exp(v, new(big.Int).SetBytes(number(m.params.order)), p).Cmp(one) == 0
}
