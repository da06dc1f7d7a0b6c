package xfrm

import (
	"net/netip"
	"strings"
	"testing"
)

// Each way in which an SA can be impossible is named.
func TestSAValid(t *testing.T) {
	good := SA{
		Dir: Out, SPI: MinSPI, IfID: Ours | 1,
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"),
		Suite:  Suite{Cipher: AESCBC, KeyBits: 192, Hash: SHA256},
		EncKey: NewSecret(make([]byte, 24)), AuthKey: NewSecret(make([]byte, 32)),
	}
	if err := good.Valid(); err != nil {
		t.Fatalf("a sound SA is refused: %v", err)
	}
	for _, row := range []struct {
		what  string
		wrong func(*SA)
	}{
		{"direction", func(sa *SA) { sa.Dir = 0 }},
		{"reserved", func(sa *SA) { sa.SPI = MinSPI - 1 }},
		{"ends of one tunnel", func(sa *SA) { sa.Dst = netip.MustParseAddr("2001:db8::1") }},
		{"ends of one tunnel", func(sa *SA) { sa.Src = netip.Addr{} }},
		{"not ours", func(sa *SA) { sa.IfID = 7 }},
		{"AES keys", func(sa *SA) { sa.Suite.KeyBits = 0 }},
		{"no such cipher", func(sa *SA) { sa.Suite.Cipher = 9 }},
		{"no such integrity", func(sa *SA) { sa.Suite.Hash = 0 }},
		{"encryption key", func(sa *SA) { sa.EncKey = Secret{} }},
		{"integrity key", func(sa *SA) { sa.AuthKey = NewSecret(make([]byte, 12)) }},
	} {
		sa := good
		row.wrong(&sa)
		if err := sa.Valid(); err == nil || !strings.Contains(err.Error(), row.what) {
			t.Errorf("want an error about %q, got %v", row.what, err)
		}
	}
}
