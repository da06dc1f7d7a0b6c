package libreswan

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// status.txt is the end of what `whack --status` said of two Libreswan 4.10
// (4.10-2+deb12u1) that had met in the virtual machine.
func TestTheStatusIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/status.txt")
	if err != nil {
		t.Fatal(err)
	}
	sas, children := read(string(text))
	wantSA := SA{Number: 1, Conn: "c0", Initiator: true, Proposal: "aes256-sha1-group14"}
	if len(sas) != 1 || sas[0] != wantSA {
		t.Errorf("ISAKMP SAs %+v, want %+v", sas, wantSA)
	}
	want := ChildSA{
		Number: 2, Conn: "c0", Newest: true, SPIIn: 0xc0972b87, SPIOut: 0x43c517b5, Proposal: "aes256-sha1-group14",
		Local: netip.MustParsePrefix("10.1.0.0/24"), Remote: netip.MustParsePrefix("10.2.0.0/24"),
	}
	if len(children) != 1 || children[0] != want {
		t.Errorf("children %+v, want %+v", children, want)
	}
}

// Between IPv6 addresses pluto writes a colon before the SPI. The line is that
// of status.txt, so written.
func TestTheStatusOverIPv6IsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/status.txt")
	if err != nil {
		t.Fatal(err)
	}
	over6 := strings.NewReplacer("esp.", "esp:", "tun.", "tun:", "1.0.0.", "2001:db8::").Replace(string(text))
	_, children := read(over6)
	if len(children) != 1 || children[0].SPIIn != 0xc0972b87 || children[0].SPIOut != 0x43c517b5 {
		t.Errorf("children %+v, want one with its SPIs", children)
	}
}

func TestProposals(t *testing.T) {
	for names, want := range map[string][]string{
		"3des-md5-group5":          {"3DES_CBC_192-HMAC_MD5_96", "MODP1536"},
		"aes128-sha256":            {"AES_CBC_128-HMAC_SHA2_256_128", "<N/A>"},
		"SERPENT_128-sha1-group14": {"SERPENT_128-HMAC_SHA1_96", "MODP2048"},
	} {
		if got := proposal(want[0], group(want[1])...); got != names {
			t.Errorf("%v is %s, want %s", want, got, names)
		}
	}
	if got := Words("aes256-sha1-group14"); got != "aes256-sha1-dh14" {
		t.Errorf("got %s", got)
	}
}

func TestTheConfigurationSaysIt(t *testing.T) {
	c := Conn{
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"), LocalID: "gw.example", RemoteID: "10.0.0.5",
		Key: `"`, Aggressive: true, IKE: "aes128-sha1-group5", DPD: DPD{5, 15, "restart"},
		Children: []Child{{Name: "c0", Local: netip.MustParsePrefix("10.1.0.0/24"), Remote: netip.MustParsePrefix("10.2.0.0/24"), ESP: "aes128-sha1"}},
	}
	for _, line := range []string{
		"conn c0", "leftid=@gw.example", "rightid=10.0.0.5", "aggressive=yes", "ike=aes128-sha1-dh5", "esp=aes128-sha1", "pfs=no",
		"dpddelay=5", "dpdaction=restart", "auto=add", "leftsubnet=10.1.0.0/24",
	} {
		if !strings.Contains(c.config(), line+"\n") {
			t.Errorf("ipsec.conf does not say %s:\n%s", line, c.config())
		}
	}
	if got := c.secrets(); got != ": PSK 0x22\n" {
		t.Errorf("ipsec.secrets says %q", got)
	}
	if empty := (Conn{}); empty.secrets() != "" || strings.Contains(empty.config(), "conn ") {
		t.Error("a connection that is none says something")
	}
}
