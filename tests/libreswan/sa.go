package libreswan

import (
	"context"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/vishvananda/netlink"
)

// SA is an ISAKMP SA of pluto's that stands.
type SA struct {
	Number     int
	Conn       string // a child's name: pluto has a connection for each
	Initiator  bool
	Aggressive bool
	Proposal   string // "aes256-sha1-group14", of the connection's newest
}

// ChildSA is a pair of ESP SAs of pluto's that stands.
type ChildSA struct {
	Number                int
	Conn                  string // its Child's name
	Newest                bool   // the one that traffic takes
	SPIIn, SPIOut         uint32
	Proposal              string // "aes256-sha1", with "-group14" behind it when PFS was used
	Encap                 bool
	PacketsIn, PacketsOut uint64
	Local, Remote         netip.Prefix
}

// SAs lists pluto's SAs, and what the kernel counts of them.
func (p *Pluto) SAs(ctx context.Context) ([]SA, []ChildSA, error) {
	text, err := p.whack(ctx, "--status")
	if err != nil {
		return nil, nil, err
	}
	sas, children := read(text)
	counted, err := kernelStates(p.space)
	for i := range children {
		c := &children[i]
		in, out := counted[c.SPIIn], counted[c.SPIOut]
		c.PacketsIn, c.PacketsOut, c.Encap = in.Statistics.Packets, out.Statistics.Packets, in.Encap != nil
	}
	return sas, children, err
}

// kernelStates are the SAs of a namespace's kernel by their SPI.
func kernelStates(space *netns.Space) (map[uint32]netlink.XfrmState, error) {
	var all []netlink.XfrmState
	err := space.Do(func() (err error) {
		all, err = netlink.XfrmStateList(netlink.FAMILY_ALL)
		return err
	})
	states := map[uint32]netlink.XfrmState{}
	for _, s := range all {
		states[uint32(s.Spi)] = s
	}
	return states, err
}

// The lines of whack --status that tell of connections and states.
var (
	routeLine  = regexp.MustCompile(`(?m)^000 "([^"]+)": ([0-9a-f.:/]+)===.*===([0-9a-f.:/]+);`)
	ikeLine    = regexp.MustCompile(`(?m)^000 "([^"]+)": +IKEv1 algorithm newest: (\S+)`)
	espLine    = regexp.MustCompile(`(?m)^000 "([^"]+)": +ESP algorithm newest: ([^;\s]+); pfsgroup=(\S+)`)
	phase1Line = regexp.MustCompile(`(?m)^000 #(\d+): "([^"]+)":\d+ STATE_(MAIN_I4|MAIN_R3|AGGR_I2|AGGR_R2) \(IKE SA established\)`)
	phase2Line = regexp.MustCompile(`(?m)^000 #(\d+): "([^"]+)":\d+ STATE_QUICK_\S+ \(IPsec SA established\);(.*)$`)
	spiLine    = regexp.MustCompile(`(?m)^000 #(\d+): "[^"]+" esp[.:]([0-9a-f]+)@\S+ esp[.:]([0-9a-f]+)@\S+ `)
)

// read takes the status of pluto apart.
func read(status string) (sas []SA, children []ChildSA) {
	ike, esp := byName(ikeLine, status), byName(espLine, status)
	routes, spis := byName(routeLine, status), byName(spiLine, status)
	for _, m := range phase1Line.FindAllStringSubmatch(status, -1) {
		sa := SA{Number: number(m[1]), Conn: m[2], Initiator: strings.Contains(m[3], "_I"), Aggressive: strings.HasPrefix(m[3], "AGGR")}
		if words := ike[sa.Conn]; words != nil {
			sa.Proposal = proposal(words[0])
		}
		sas = append(sas, sa)
	}
	for _, m := range phase2Line.FindAllStringSubmatch(status, -1) {
		c := ChildSA{Number: number(m[1]), Conn: m[2], Newest: strings.Contains(m[3], "eroute owner")}
		if words := esp[c.Conn]; words != nil {
			c.Proposal = proposal(words[0], group(words[1])...)
		}
		if networks := routes[c.Conn]; networks != nil {
			c.Local, c.Remote = prefix(networks[0]), prefix(networks[1])
		}
		if pair := spis[m[1]]; pair != nil { // the peer's first
			c.SPIOut, c.SPIIn = spi(pair[0]), spi(pair[1])
		}
		children = append(children, c)
	}
	return sas, children
}

// byName maps the first word that a line tells to the others.
func byName(line *regexp.Regexp, text string) map[string][]string {
	all := map[string][]string{}
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2:]
	}
	return all
}

// What cannot be read is zero, and shows as such.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func spi(text string) uint32 {
	n, _ := strconv.ParseUint(text, 16, 32)
	return uint32(n)
}

func prefix(text string) netip.Prefix {
	p, _ := netip.ParsePrefix(text)
	return p
}

// group is what pfsgroup= says: a name, or that there was none.
func group(name string) []string {
	if strings.HasPrefix(name, "<") {
		return nil
	}
	return []string{name}
}

// words are pluto's names in the notation of Conn.
var words = map[string]string{
	"3DES_CBC_192": "3des", "AES_CBC_128": "aes128", "AES_CBC_192": "aes192", "AES_CBC_256": "aes256",
	"HMAC_MD5": "md5", "HMAC_SHA1": "sha1", "HMAC_SHA2_256": "sha256", "HMAC_SHA2_384": "sha384", "HMAC_SHA2_512": "sha512",
	"HMAC_MD5_96": "md5", "HMAC_SHA1_96": "sha1", "HMAC_SHA2_256_128": "sha256", "HMAC_SHA2_384_192": "sha384", "HMAC_SHA2_512_256": "sha512",
	"MODP1536": "group5", "MODP2048": "group14", "MODP3072": "group15", "MODP4096": "group16", "DH19": "group19", "DH20": "group20", "DH31": "group31",
}

// proposal turns pluto's names into the notation of Conn. A name that is not
// known is kept as it is, so that it shows.
func proposal(names string, more ...string) string {
	all := append(strings.Split(names, "-"), more...)
	for i, name := range all {
		if word, ok := words[name]; ok {
			all[i] = word
		}
	}
	return strings.Join(all, "-")
}
