package swan

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
)

// Conn is one IKEv1 connection with a pre-shared key, as charon sees it.
type Conn struct {
	Name              string
	Local, Remote     netip.Addr
	LocalID, RemoteID string // "" is the address
	Key               string
	IKEv2             bool // instead of IKEv1
	Aggressive        bool
	Encap             bool   // ESP in UDP even where there is no translator
	IKE               string // proposal, in the notation of Words
	Lifetime          int    // of the IKE SA in seconds, 0 for charon's own
	DPD               int    // seconds of silence after which charon asks, 0 for never
	Children          []Child
}

// Child is one pair of networks of a Conn.
type Child struct {
	Name          string
	Local, Remote netip.Prefix
	ESP           string // proposals, in the notation of Words and with commas between; their group is that of PFS
	Start         string // "none", "trap" or "start"; "" is none
	Lifetime      int    // in seconds, 0 for charon's own
	Rekey         int    // when it is replaced, 0 for the end of its Lifetime
	Bytes         uint64 // 0 for none
}

// groupNames are strongSwan's names of the Diffie-Hellman groups.
var groupNames = map[string]string{
	"group1": "modp768", "group2": "modp1024", "group5": "modp1536", "group14": "modp2048",
	"group15": "modp3072", "group16": "modp4096", "group19": "ecp256", "group20": "ecp384",
	"group21": "ecp521", "group24": "modp2048s256", "group31": "curve25519",
}

// Words turns a proposal such as "aes256-sha1-group14" into strongSwan's
// notation, "aes256-sha1-modp2048". Ciphers and hashes are spelled alike.
func Words(proposal string) string {
	if first, rest, more := strings.Cut(proposal, ","); more {
		return Words(first) + "," + Words(rest)
	}
	words := strings.Split(proposal, "-")
	for i, w := range words {
		if name, ok := groupNames[w]; ok {
			words[i] = name
		}
	}
	return strings.Join(words, "-")
}

// section is the connection as load-conn and swanctl.conf have it.
func (c Conn) section() Section {
	s := Section{
		{"version", version(c.IKEv2)},
		{"aggressive", yes(c.Aggressive)},
		{"encap", yes(c.Encap)},
		{"local_addrs", []string{c.Local.String()}},
		{"remote_addrs", []string{c.Remote.String()}},
		{"proposals", []string{Words(c.IKE)}},
		{"local", Section{{"auth", "psk"}, {"id", c.localID()}}},
		{"remote", Section{{"auth", "psk"}, {"id", c.remoteID()}}},
	}
	if c.Lifetime != 0 {
		s = append(s, Entry{"reauth_time", "0"}, Entry{"rekey_time", strconv.Itoa(c.Lifetime)})
	}
	if c.DPD != 0 {
		s = append(s, Entry{"dpd_delay", strconv.Itoa(c.DPD)})
	}
	var children Section
	for _, child := range c.Children {
		children = append(children, Entry{child.Name, child.section()})
	}
	return append(s, Entry{"children", children})
}

func (c Child) section() Section {
	s := Section{
		{"mode", "tunnel"},
		{"local_ts", []string{c.Local.String()}},
		{"remote_ts", []string{c.Remote.String()}},
		{"esp_proposals", strings.Split(Words(c.ESP), ",")},
	}
	if c.Start != "" {
		s = append(s, Entry{"start_action", c.Start})
	}
	if c.Lifetime != 0 {
		s = append(s, Entry{"life_time", strconv.Itoa(c.Lifetime)}, Entry{"rekey_time", strconv.Itoa(cmp.Or(c.Rekey, c.Lifetime))})
	}
	if c.Bytes != 0 {
		s = append(s, Entry{"life_bytes", strconv.FormatUint(c.Bytes, 10)})
	}
	return s
}

// secret is the connection's pre-shared key as swanctl.conf has it.
func (c Conn) secret() Section {
	return Section{{"id-1", c.localID()}, {"id-2", c.remoteID()}, {"secret", c.Key}}
}

// shared is the same as load-shared has it.
func (c Conn) shared() Section {
	return Section{{"id", c.Name}, {"type", "ike"}, {"data", c.Key}, {"owners", []string{c.localID(), c.remoteID()}}}
}

func (c Conn) localID() string { return idOr(c.LocalID, c.Local) }

func (c Conn) remoteID() string { return idOr(c.RemoteID, c.Remote) }

func idOr(id string, address netip.Addr) string {
	if id != "" {
		return id
	}
	return address.String()
}

func version(two bool) string {
	if two {
		return "2"
	}
	return "1"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Config is what swanctl.conf says of the connections.
func Config(conns ...Conn) string {
	var connections, secrets Section
	for _, c := range conns {
		connections = append(connections, Entry{c.Name, c.section()})
		secrets = append(secrets, Entry{"ike-" + c.Name, c.secret()})
	}
	return Section{{"connections", connections}, {"secrets", secrets}}.Text()
}
