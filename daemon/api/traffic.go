package api

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Period says whose traffic of which time a caller wants.
type Period struct {
	Name   string        // of a gateway or a tunnel, "" for all
	Last   time.Duration // up to now; DefaultPeriod where it is 0
	Points int           // into how many parts to cut it, at most; DefaultPoints where it is 0
}

// What a Period is unless it says otherwise, and its bounds.
const (
	DefaultPeriod = time.Hour
	LongestPeriod = 24 * time.Hour
	DefaultPoints = 360
	MostPoints    = 8640
)

// History is what gateways and tunnels carried, as GET /v1/traffic tells it.
type History struct {
	Version    int       `json:"version"`
	Time       time.Time `json:"time"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	StepSecond int64     `json:"step_seconds"` // what one point is of
	Subjects   []Carried `json:"subjects"`     // the gateways and then the tunnels, sorted by name
}

// The kinds of what has traffic.
const (
	KindGateway = "vpn_gateway"
	KindTunnel  = "vpn_tunnel"
)

// Carried is what one gateway or tunnel carried: inner packets. What is not
// known, because no daemon ran, does not count as nothing.
type Carried struct {
	Kind          string   `json:"kind"`
	Name          string   `json:"name"`
	Gateway       string   `json:"gateway,omitempty"` // of a tunnel
	BandwidthMbps int      `json:"bandwidth_mbps"`    // the gateway's tier
	KnownSecond   int64    `json:"known_seconds"`     // of how much of the time anything is known
	BytesIn       uint64   `json:"bytes_in"`
	BytesOut      uint64   `json:"bytes_out"`
	PacketsIn     uint64   `json:"packets_in"`
	PacketsOut    uint64   `json:"packets_out"`
	Drops         uint64   `json:"drops"` // replayed and damaged packets
	In            Rate     `json:"in"`
	Out           Rate     `json:"out"`
	Health        *Health  `json:"health,omitempty"` // absent without a health check
	Points        []Moment `json:"points"`
}

// Rate is how a rate was spread over the time, in bits per second: its average,
// what it did not exceed in 95 of 100 steps of ten seconds, and the most in one.
type Rate struct {
	Average float64 `json:"average_bps"`
	P95     float64 `json:"p95_bps"`
	Peak    float64 `json:"peak_bps"`
}

// Health is what the health check found on average; a gateway's is that of its
// tunnels.
type Health struct {
	Loss    float64 `json:"loss"` // 0 to 1
	DelayMs float64 `json:"delay_ms"`
}

// Moment is one point of a History.
type Moment struct {
	From       time.Time `json:"from"`
	Known      bool      `json:"known"`
	In         float64   `json:"in_bps"`
	Out        float64   `json:"out_bps"`
	PacketsIn  float64   `json:"packets_in"`
	PacketsOut float64   `json:"packets_out"`
	Drops      float64   `json:"drops"`
	Health     *Health   `json:"health,omitempty"`
}

func (s *Server) traffic(w http.ResponseWriter, r *http.Request) {
	p, err := periodOf(r.URL.Query())
	if err != nil {
		answer(w, nil, err)
		return
	}
	doc, err := s.daemon.Traffic(r.Context(), p)
	answer(w, doc, err)
}

// periodOf reads name=NAME, last=SECONDS and points=N.
func periodOf(q url.Values) (Period, error) {
	p := Period{Name: q.Get("name"), Last: DefaultPeriod, Points: DefaultPoints}
	if text := q.Get("last"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if p.Last = time.Duration(n) * time.Second; err != nil || p.Last <= 0 || p.Last > LongestPeriod {
			return p, &Error{Code: BadRequest, Message: "last=" + text + " is no time; write 1 to 86400 seconds"}
		}
	}
	if text := q.Get("points"); text != "" {
		n, err := strconv.Atoi(text)
		if p.Points = n; err != nil || n < 1 || n > MostPoints {
			return p, &Error{Code: BadRequest, Message: "points=" + text + " is no number of points; write 1 to " + strconv.Itoa(MostPoints)}
		}
	}
	return p, nil
}

// Query is a Period as a request has it.
func (p Period) Query() url.Values {
	q := url.Values{}
	if p.Name != "" {
		q.Set("name", p.Name)
	}
	if p.Last != 0 {
		q.Set("last", strconv.FormatInt(int64(p.Last/time.Second), 10))
	}
	if p.Points != 0 {
		q.Set("points", strconv.Itoa(p.Points))
	}
	return q
}
