// Package interop lets twinspand meet other gateways, and itself, in a test
// network: both ends are the programs as they are shipped. One list of
// scenarios runs natively, where both ends do ESP in user space, and in the
// virtual machine of tests/vm, where both use the kernel's.
package interop

import (
	"fmt"
	"net/netip"

	"github.com/twinspan/twinspan/tests/netns"
)

// pair is two networks, ours first, as seen from one end.
type pair struct{ local, remote netip.Prefix }

func (p pair) String() string { return p.local.String() + " <-> " + p.remote.String() }

// end is a gateway's address: its own, and the one that the other end sees,
// which differ when there is a translator between them.
type end struct{ own, seen netip.Addr }

// tunnel is what one end must be told.
type tunnel struct {
	local, remote     end
	localID, remoteID string // a domain name, or "" for its own address
	key               string
	ike, esp          string // "aes256-sha1-group14"; the group of esp is that of PFS
	start, otherStart string // who begins by itself: "passive", "active" or "flow_trigger"; "" is passive
	pairs             []pair
}

// mirror is the same tunnel as the other end sees it.
func (t tunnel) mirror() tunnel {
	t.local, t.remote = t.remote, t.local
	t.localID, t.remoteID = t.remoteID, t.localID
	t.start, t.otherStart = t.otherStart, t.start
	pairs := make([]pair, len(t.pairs))
	for i, p := range t.pairs {
		pairs[i] = pair{p.remote, p.local}
	}
	t.pairs = pairs
	return t
}

// translated tells whether there is a translator between the ends.
func (t tunnel) translated() bool {
	return t.local.own != t.local.seen || t.remote.own != t.remote.seen
}

// scenario is a tunnel, and which end begins.
type scenario struct {
	name   string
	theirs bool // the customer gateway begins
	demand bool // with a packet, not a command
	tunnel
}

// between is the tunnel of a bed's gateways with all pairs of networks.
func between(s netns.Sites) tunnel {
	t := tunnel{
		local: end{s.VPC.Own(), s.VPC.Public.Addr()}, remote: end{s.IDC.Own(), s.IDC.Public.Addr()}, key: "123456",
		ike: "aes128-sha1-group14", esp: "aes128-sha1-group14",
	}
	for _, vpc := range s.VPC.Networks() {
		for _, idc := range s.IDC.Networks() {
			t.pairs = append(t.pairs, pair{vpc, idc})
		}
	}
	return t
}

// suites are the seed's ciphers, hashes and groups in every combination, and
// the stronger hashes beside them.
func suites() []string {
	var all []string
	for _, cipher := range []string{"des", "3des", "aes128", "aes192", "aes256"} {
		for _, group := range []string{"group1", "group2", "group5", "group14", "group24"} {
			for _, hash := range []string{"md5", "sha1"} {
				all = append(all, cipher+"-"+hash+"-"+group)
			}
		}
	}
	return append(all,
		"des-sha256-group14", "3des-sha256-group5", "aes128-sha256-group14", "aes192-sha256-group24", "aes256-sha256-group14",
		"aes256-sha384-group15", "aes256-sha512-group16", "aes128-sha256-group19", "aes256-sha384-group20", "aes128-sha512-group31")
}

// matrix is every suite in phase 1 and, of the same algorithms, in phase 2:
// once from each end, one of the two with PFS.
func matrix(base tunnel) []scenario {
	var all []scenario
	for i, suite := range suites() {
		for _, theirs := range []bool{false, true} {
			s := scenario{theirs: theirs, tunnel: base}
			s.ike, s.esp = suite, suite
			if theirs == (i%2 == 0) {
				s.esp = withoutGroup(suite)
			}
			s.key = fmt.Sprintf("key %d %v", i, theirs) // a new one, so that the tunnel is a new one
			s.name = fmt.Sprintf("%s/%s/%s", who(theirs), s.ike, pfs(s.esp != suite))
			all = append(all, s)
		}
	}
	return all
}

func who(theirs bool) string {
	if theirs {
		return "theirs begins"
	}
	return "ours begins"
}

func pfs(none bool) string {
	if none {
		return "no PFS"
	}
	return "PFS"
}
