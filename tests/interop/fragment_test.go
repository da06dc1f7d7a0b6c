package interop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// wide is a twinspand that offers many ciphers and hashes in phase 2: with the
// public value of PFS more than fits 1280 bytes.
type wide struct{ *twinSide }

func startWide(ctx context.Context, space *netns.Space) (side, error) {
	s, err := startTwin(ctx, space)
	if err != nil {
		return nil, err
	}
	return wide{s.(*twinSide)}, nil
}

func (w wide) load(ctx context.Context, t tunnel) error {
	before, ipsec, _ := strings.Cut(configuration(t, w.start), ".ipsec]\n")
	ipsec = strings.NewReplacer(
		"encryption = "+quoted(cipherOf(t.esp)), `encryption = ["3DES-CBC", "AES-CBC-128", "AES-CBC-192", "AES-CBC-256"]`,
		"integrity = "+quoted(hashOf(t.esp)), `integrity = ["SHA-512", "SHA-384", "SHA-256", "SHA1"]`,
	).Replace(ipsec)
	if err := w.daemon.Configure(before + ".ipsec]\n" + ipsec); err != nil {
		return err
	}
	_, err := w.daemon.Reload(ctx)
	return err
}

// narrow is what a network does that loses packets of more than 1280 bytes and
// the fragments of IP, to IKE alone: behind the UDP header on port 4500 it has
// four zero bytes.
const narrow = `add table inet narrow
add chain inet narrow forward { type filter hook forward priority 0 ; }
add rule inet narrow forward udp dport 500 ip length > 1280 drop
add rule inet narrow forward udp dport 4500 @th,64,32 0 ip length > 1280 drop
add rule inet narrow forward ip frag-off & 0x3fff != 0 drop
`

// Such a network still carries an offer that is larger, in fragments of IKE,
// whichever end begins.
func TestOfferLargerThanTheNetwork(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run("ours begins/"+k.name, func(t *testing.T) {
			m := meet(t, netns.QuickStart(), startWide, k.start)
			m.runNarrow(t, scenario{tunnel: m.widely()})
			m.wantTold(t, "reassembled fragmented IKE message")
		})
	}
	t.Run("theirs begins", func(t *testing.T) {
		m := meet(t, netns.QuickStart(), startTwin, startSwan)
		m.runNarrow(t, scenario{theirs: true, tunnel: m.widely()})
		m.wantTold(t, "splitting IKE message")
	})
}

// widely is a tunnel of which the end that begins offers much besides.
func (m *meeting) widely() tunnel {
	t := between(m.bed.Sites)
	t.esp = "aes128-sha1-group16"
	return t
}

// wantTold says that strongSwan tells of fragments. Libreswan does so only when
// it debugs.
func (m *meeting) wantTold(t *testing.T, want string) {
	t.Helper()
	if s, ok := m.theirs.(*swanSide); ok && !strings.Contains(s.log(), want) {
		t.Errorf("strongSwan does not say %q", want)
	}
}

// runNarrow brings a tunnel up over a narrow network. The end that begins offers
// much besides what the other one accepts.
func (m *meeting) runNarrow(t *testing.T, s scenario) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	m.nft(ctx, t, narrow)
	theirs := s.mirror()
	if s.theirs {
		theirs.esp = everything(s.esp)
	}
	m.connect(ctx, t, s, theirs)
}

// connect brings a scenario's tunnel up, with another configuration of theirs
// than it has, and pings through it.
func (m *meeting) connect(ctx context.Context, t *testing.T, s scenario, theirs tunnel) {
	t.Helper()
	begins, as := m.ours, s.tunnel
	if s.theirs {
		begins, as = m.theirs, theirs
	}
	if err := errors.Join(m.theirs.load(ctx, theirs), m.ours.load(ctx, s.tunnel)); err != nil {
		t.Fatal(err)
	}
	if err := begins.initiate(ctx, as); err != nil {
		t.Fatal(err)
	}
	m.agree(ctx, t, s)
	m.pingAll(ctx, t, s)
}

// everything is a list of many proposals, this one among them, with its group.
func everything(proposal string) string {
	var all []string
	for _, cipher := range []string{"des", "3des", "aes128", "aes192", "aes256"} {
		for _, hash := range []string{"sha512", "sha384", "sha256", "sha1", "md5"} {
			all = append(all, strings.Replace(proposal, withoutGroup(proposal), cipher+"-"+hash, 1))
		}
	}
	return strings.Join(all, ",")
}
