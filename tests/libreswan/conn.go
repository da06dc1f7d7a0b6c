package libreswan

import (
	"fmt"
	"net/netip"
	"strings"
)

// Conn is one IKEv1 peer with a pre-shared key. pluto has a connection for each
// of its children; they share an ISAKMP SA.
type Conn struct {
	Local, Remote     netip.Addr
	LocalID, RemoteID string // a domain name, or "" for the address; another address stands for itself
	Key               string
	Aggressive        bool
	IKE               string // proposal, such as "aes256-sha1-group14"
	Lifetime          int    // of the ISAKMP SA in seconds, 0 for pluto's own
	DPD               DPD
	Children          []Child
}

// Child is one pair of networks of a Conn.
type Child struct {
	Name          string
	Local, Remote netip.Prefix
	ESP           string // proposal; its group is that of PFS
	Start         string // "add", "ondemand" or "start"; "" is add
	Lifetime      int    // in seconds, 0 for pluto's own
}

// DPD is how pluto looks for a dead peer, in seconds. The zero DPD only answers.
type DPD struct {
	Delay, Timeout int
	Action         string // "clear", "hold" or "restart"
}

// Words turns a proposal such as "aes256-sha1-group14" into Libreswan's
// notation, "aes256-sha1-dh14".
func Words(proposal string) string { return strings.ReplaceAll(proposal, "-group", "-dh") }

// config is ipsec.conf. 4.10 drops IKEv1 unless told otherwise. The updown
// script would set routes, which the test network has.
func (c Conn) config() string {
	var b strings.Builder
	b.WriteString("config setup\n\tprotostack=xfrm\n\tikev1-policy=accept\n")
	for _, child := range c.Children {
		fmt.Fprintf(&b, "conn %s\n", child.Name)
		for _, e := range append(c.settings(), child.settings()...) {
			fmt.Fprintf(&b, "\t%s=%s\n", e[0], e[1])
		}
	}
	return b.String()
}

func (c Conn) settings() [][2]string {
	all := [][2]string{
		{"type", "tunnel"}, {"authby", "secret"}, {"ikev2", "no"}, {"leftupdown", "%disabled"},
		{"left", c.Local.String()}, {"leftid", id(c.LocalID, c.Local)},
		{"right", c.Remote.String()}, {"rightid", id(c.RemoteID, c.Remote)},
		{"aggressive", yes(c.Aggressive)}, {"ike", Words(c.IKE)}, {"rekeymargin", "4s"}, {"rekeyfuzz", "0%"},
	}
	if c.Lifetime != 0 {
		all = append(all, [2]string{"ikelifetime", fmt.Sprintf("%ds", c.Lifetime)})
	}
	if c.DPD != (DPD{}) {
		all = append(all, [2]string{"dpddelay", fmt.Sprint(c.DPD.Delay)}, [2]string{"dpdtimeout", fmt.Sprint(c.DPD.Timeout)}, [2]string{"dpdaction", c.DPD.Action})
	}
	return all
}

func (c Child) settings() [][2]string {
	start := c.Start
	if start == "" {
		start = "add"
	}
	pfs := strings.Count(c.ESP, "-") == 2
	all := [][2]string{
		{"leftsubnet", c.Local.String()}, {"rightsubnet", c.Remote.String()}, {"esp", Words(c.ESP)}, {"pfs", yes(pfs)}, {"auto", start},
	}
	if c.Lifetime != 0 {
		all = append(all, [2]string{"salifetime", fmt.Sprintf("%ds", c.Lifetime)})
	}
	return all
}

// id is an identity as ipsec.conf has it: an @ says that a name is not to be
// looked up.
func id(name string, address netip.Addr) string {
	if name == "" {
		return address.String()
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return name
	}
	return "@" + name
}

// secrets is ipsec.secrets: a key without an index is everybody's.
func (c Conn) secrets() string {
	if c.Key == "" {
		return ""
	}
	return fmt.Sprintf(": PSK 0x%x\n", c.Key)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
