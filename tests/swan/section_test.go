package swan

import (
	"reflect"
	"strings"
	"testing"
)

var sample = Section{
	{"connections", Section{
		{"t", Section{
			{"version", "1"},
			{"proposals", []string{"aes128-sha1-modp1024", "des-md5-modp768"}},
			{"local", Section{{"id", "gw.example"}}},
		}},
	}},
	{"secret", `correct "horse" 马`},
}

func TestSectionsAreReadBack(t *testing.T) {
	got, err := decode(sample.encode(nil))
	if err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("got %v, %v", got, err)
	}
	if got.Get("connections", "t", "local", "id") != "gw.example" || len(got.List("connections", "t", "proposals")) != 2 {
		t.Errorf("looked up wrongly in %v", got)
	}
	if got.Get("connections", "nobody", "id") != "" || got.Sub("secret") != nil {
		t.Error("found what is not there")
	}
}

// The bytes of the protocol, by its documentation: a section "a" with the key
// "k" of value "v" and the list "l" of one item "i".
func TestTheWireIsVici(t *testing.T) {
	s := Section{{"a", Section{{"k", "v"}, {"l", []string{"i"}}}}}
	want := "\x01\x01a" + "\x03\x01k\x00\x01v" + "\x04\x01l" + "\x05\x00\x01i" + "\x06" + "\x02"
	if got := string(s.encode(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBrokenMessagesAreErrors(t *testing.T) {
	whole := sample.encode(nil)
	for n := range whole {
		if s, err := decode(whole[:n]); err == nil && n > 0 && reflect.DeepEqual(s, sample) {
			t.Errorf("%d of %d bytes were enough", n, len(whole))
		}
	}
	for _, b := range []string{"\x07", "\x04\x01l\x03", "\x03\x01k\xff\xffv", "\x05\x00\x01i"} {
		if s, err := decode([]byte(b)); err == nil {
			t.Errorf("%q was read as %v", b, s)
		}
	}
}

func TestTextIsSwanctlConf(t *testing.T) {
	want := `connections {
  t {
    version = 1
    proposals = aes128-sha1-modp1024,des-md5-modp768
    local {
      id = gw.example
    }
  }
}
secret = "correct \"horse\" 马"
`
	if got := sample.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWordsAreStrongSwans(t *testing.T) {
	for ours, theirs := range map[string]string{
		"aes256-sha1-group14": "aes256-sha1-modp2048",
		"des-md5-group1":      "des-md5-modp768",
		"3des-sha256-group24": "3des-sha256-modp2048s256",
		"aes128-sha1":         "aes128-sha1",
	} {
		if got := Words(ours); got != theirs {
			t.Errorf("%s is %s, want %s", ours, got, theirs)
		}
	}
}

func TestWhatCharonReportsIsReadAsWords(t *testing.T) {
	s := Section{{"encr-alg", "AES_CBC"}, {"encr-keysize", "256"}, {"integ-alg", "HMAC_SHA2_256_128"}, {"prf-alg", "PRF_HMAC_SHA2_256"}, {"dh-group", "MODP_2048_256"}}
	if got := proposal(s); got != "aes256-sha256-group24" {
		t.Errorf("got %s", got)
	}
	if got := proposal(Section{{"encr-alg", "SERPENT_CBC"}}); !strings.Contains(got, "SERPENT") {
		t.Errorf("an unknown name got lost: %q", got)
	}
	if _, err := readChild(Entry{"c-1", Section{{"spi-in", "not hexadecimal"}}}); err == nil {
		t.Error("a bad SPI was read")
	}
}
