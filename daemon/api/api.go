// Package api is the daemon's control socket: JSON over HTTP over a unix
// socket. It holds the documents, the server, and who may do what. It knows
// neither IKE nor the data plane: the daemon fills the documents in, and the
// words in them are those of the daemon.
//
// Times are RFC 3339 in UTC, durations are seconds, states are the words of
// ike.State. A document grows by new members only; Schema changes when an old
// one changes its meaning.
package api

import "time"

// Schema is the version that every document carries.
const Schema = 1

// DefaultSocket is where the daemon listens unless told otherwise.
const DefaultSocket = "/run/twinspan/control.sock"

// Status is everything that the daemon does, problems included.
type Status struct {
	Version   int       `json:"version"`
	Time      time.Time `json:"time"`
	Program   string    `json:"program"` // the daemon's own version
	Started   time.Time `json:"started"`
	Loaded    time.Time `json:"loaded"`    // when the configuration in force was read
	DataPlane string    `json:"dataplane"` // "kernel" or "userspace"
	Warnings  []string  `json:"warnings"`
	Gateways  []Gateway `json:"gateways"`
	Tunnels   []Tunnel  `json:"tunnels"` // sorted by name
	// Counters are monotonic since Started: datagrams and negotiations by what
	// became of them.
	Counters map[string]uint64 `json:"counters"`
}

// Gateway is a VPN gateway of this host.
type Gateway struct {
	Name          string `json:"name"`
	VPC           string `json:"vpc"`
	PublicIP      string `json:"public_ip"`
	Device        string `json:"device"`
	BandwidthMbps int    `json:"bandwidth_mbps"`
	Traffic
}

// Tunnel is one configured tunnel, up or not.
type Tunnel struct {
	Name            string    `json:"name"`
	Gateway         string    `json:"gateway"`
	CustomerGateway string    `json:"customer_gateway"`
	Local           string    `json:"local"`  // outer address
	Remote          string    `json:"remote"` // outer address; while that is not known, the peer's name in the DNS, or "any"
	Start           string    `json:"start"`  // "active", "passive", "flow_trigger"
	State           string    `json:"state"`
	Since           time.Time `json:"since,omitzero"`
	Fault           *Fault    `json:"fault,omitempty"`
	Try             int       `json:"try,omitempty"` // failed negotiations in a row
	NextTry         time.Time `json:"next_try,omitzero"`
	Expires         time.Time `json:"expires,omitzero"` // of the SA pair that ends first
	Renews          time.Time `json:"renews,omitzero"`  // when the first SA pair is to be replaced
	Session         *Session  `json:"session,omitempty"`
	NATT            string    `json:"nat_t"` // the words of the configuration
	DPD             DPD       `json:"dpd"`
	Keys            int       `json:"pre_shared_keys"`
	Probe           *Probe    `json:"probe,omitempty"`
	PairsUp         int       `json:"pairs_up"`
	Pairs           []Pair    `json:"pairs"`
	Traffic
}

// DPD is dead peer detection as it is configured.
type DPD struct {
	Action        string `json:"action"` // "restart", "clear", "off"
	DelaySecond   int64  `json:"delay_seconds,omitempty"`
	TimeoutSecond int64  `json:"timeout_seconds,omitempty"`
}

// Probe is the health check of a tunnel and what its last rounds found.
type Probe struct {
	Target string `json:"target"`
	Source string `json:"source,omitempty"`
	// Passing is absent while nothing is decided.
	Passing *bool   `json:"passing,omitempty"`
	RTT     float64 `json:"rtt_ms,omitempty"` // of the last ping that was answered
	Loss    float64 `json:"loss"`             // of the last 20 pings, 0 to 1
	Error   string  `json:"error,omitempty"`
}

// Traffic counts inner packets. In a tunnel the numbers are monotonic over
// rekeys: those of SAs that are gone are kept.
type Traffic struct {
	BytesIn         uint64 `json:"bytes_in"`
	BytesOut        uint64 `json:"bytes_out"`
	PacketsIn       uint64 `json:"packets_in"`
	PacketsOut      uint64 `json:"packets_out"`
	ReplayErrors    uint64 `json:"replay_errors"`
	IntegrityErrors uint64 `json:"integrity_errors"`
}

// Add adds o.
func (t *Traffic) Add(o Traffic) {
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
	t.PacketsIn += o.PacketsIn
	t.PacketsOut += o.PacketsOut
	t.ReplayErrors += o.ReplayErrors
	t.IntegrityErrors += o.IntegrityErrors
}

// Pair is one pair of networks of a tunnel.
type Pair struct {
	Local  string    `json:"local"`
	Remote string    `json:"remote"`
	Up     bool      `json:"up"`
	Since  time.Time `json:"since,omitzero"`
	Mute   bool      `json:"mute,omitempty"`  // we send, and for a while nothing has come back
	Renews time.Time `json:"renews,omitzero"` // when the child is to be replaced
	Child  *Child    `json:"child,omitempty"`
}

// Child is the pair of ESP SAs that carries a Pair.
type Child struct {
	SPIIn          string    `json:"spi_in"` // "0x0000c0de"
	SPIOut         string    `json:"spi_out"`
	Suite          string    `json:"suite"` // "aes256-sha1", with PFS "aes256-sha1-group14"
	Encapsulation  bool      `json:"udp_encapsulation"`
	LifetimeSecond int64     `json:"lifetime_seconds"`
	LifetimeKB     uint64    `json:"lifetime_kb"`
	Expires        time.Time `json:"expires,omitzero"`
	Initiator      bool      `json:"initiator"`
}

// Session is the established ISAKMP SA that a tunnel uses.
type Session struct {
	Cookies     string    `json:"cookies"`
	Local       string    `json:"local"` // address and port
	Remote      string    `json:"remote"`
	Initiator   bool      `json:"initiator"`
	Mode        string    `json:"mode"`
	Proposal    string    `json:"proposal"`
	PeerID      string    `json:"peer_id"`
	NAT         string    `json:"nat"`                            // "", "here", "there", "both"
	OldKey      bool      `json:"older_pre_shared_key,omitempty"` // the peer does not have the newest one
	Established time.Time `json:"established"`
	Renews      time.Time `json:"renews,omitzero"` // when we replace it; not at all where the peer has to
	Expires     time.Time `json:"expires,omitzero"`
}

// Fault says what went wrong: ours, theirs, and what to change.
type Fault struct {
	Cause      string `json:"cause"`
	Text       string `json:"text"`
	Ours       string `json:"ours,omitempty"`
	Theirs     string `json:"theirs,omitempty"`
	Advice     string `json:"advice,omitempty"`      // what to change here
	PeerAdvice string `json:"peer_advice,omitempty"` // what to change at the peer instead
	// Parameter is the configuration's key that is to blame, "" where the peer
	// does not tell which of those in Compared it is.
	Parameter string      `json:"parameter,omitempty"`
	Compared  []Parameter `json:"compared,omitempty"`
}

// Parameter is one thing that both ends must agree on. Where a value is not
// known, or a secret, it is "".
type Parameter struct {
	Name   string `json:"name"` // the configuration's key: "ike.dh_group", "spd.local"
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
	Agrees bool   `json:"agrees"`
}

// Why is how a tunnel came to the state that it is in.
type Why struct {
	Version      int           `json:"version"`
	Time         time.Time     `json:"time"`
	Tunnel       string        `json:"tunnel"`
	State        string        `json:"state"`
	Since        time.Time     `json:"since,omitzero"`
	PairsUp      int           `json:"pairs_up"`
	Pairs        int           `json:"pairs"`
	Try          int           `json:"try,omitempty"`
	NextTry      time.Time     `json:"next_try,omitzero"`
	Fault        *Fault        `json:"fault,omitempty"`
	Negotiations []Negotiation `json:"negotiations"` // the last ones, newest first
}

// Negotiation is a try that ended, or several that ended in the same way.
type Negotiation struct {
	Began     time.Time `json:"began"` // the first of them
	Last      time.Time `json:"last"`  // when the last of them ended
	Took      float64   `json:"took_seconds"`
	Count     int       `json:"count"`
	Initiator bool      `json:"initiator"`          // we began
	Exchange  string    `json:"exchange,omitempty"` // that it ended in: "main mode", "quick mode"
	Pair      *Pair     `json:"pair,omitempty"`
	Result    string    `json:"result"` // "up" or "failed"
	Fault     *Fault    `json:"fault,omitempty"`
}

// The results of a Negotiation.
const (
	ResultUp     = "up"
	ResultFailed = "failed"
)

// ConfigFault is one fault, or one warning, in the configuration's files.
type ConfigFault struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	What string `json:"what"`
	Do   string `json:"do,omitempty"`
}

// Event is one thing that happened, as GET /v1/events streams it.
type Event struct {
	Version  int       `json:"version"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // the words of ike.Kind, or "repeated" for what is kept of many that were the same
	Tunnel   string    `json:"tunnel,omitempty"`
	Local    string    `json:"local,omitempty"`
	Remote   string    `json:"remote,omitempty"`
	Exchange string    `json:"exchange,omitempty"` // "main mode"
	Step     string    `json:"step,omitempty"`     // "MM1"
	Bytes    int       `json:"bytes,omitempty"`
	Try      int       `json:"try,omitempty"`
	Pair     *Pair     `json:"pair,omitempty"`
	State    string    `json:"state,omitempty"`
	Session  *Session  `json:"session,omitempty"`
	Fault    *Fault    `json:"fault,omitempty"`
	// Repeats is what a "repeated" event stands for: a kind, "trouble", or a fault
	// of this host.
	Repeats string `json:"repeats,omitempty"`
	// Suppressed is how many of the same were not kept since the one before.
	Suppressed uint64 `json:"suppressed,omitempty"`
	// Lost is how many events a slow reader missed before this one.
	Lost uint64 `json:"lost,omitempty"`
}

// Rekey says what of a tunnel is to be replaced.
type Rekey struct {
	Phase         string // RekeyIKE, RekeyIPsec, or "" for both
	Local, Remote string // the one pair of networks that is meant, both "" for all
}

// The words of Rekey's Phase.
const (
	RekeyIKE   = "ike"
	RekeyIPsec = "ipsec"
)

// Wanted says which events a caller wants.
type Wanted struct {
	Tunnel string    // "" for all
	Since  time.Time // of those that are kept: since then; zero for all
	Last   int       // of those: no more than the last so many, 0 for none
	Follow bool      // and then what happens from now on
}

// Reloaded is what a reload did.
type Reloaded struct {
	Version   int           `json:"version"`
	Summary   string        `json:"summary"` // "2 tunnels changed, 24 untouched"
	Changed   int           `json:"changed"`
	Untouched int           `json:"untouched"`
	Changes   []Change      `json:"changes"`
	Warnings  []ConfigFault `json:"warnings"`
}

// Change is one difference between the old configuration and the new one.
type Change struct {
	Tunnel string `json:"tunnel,omitempty"`
	Object string `json:"object,omitempty"`
	Impact string `json:"impact"`
	What   string `json:"what"`
}

// Program is the answer to GET /v1/version.
type Program struct {
	Version int    `json:"version"`
	Program string `json:"program"`
}
