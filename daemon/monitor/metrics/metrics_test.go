package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// told is what is served of facts.
func told(t *testing.T, facts func() (Facts, error)) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(facts).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w
}

func TestWhatIsTold(t *testing.T) {
	var took Durations
	for _, d := range []time.Duration{40 * time.Millisecond, 3 * time.Second, time.Hour} {
		took.Add(d)
	}
	w := told(t, func() (Facts, error) {
		return Facts{
			Program: "1.2", Reloaded: true, Loaded: time.Unix(1_760_000_000, 0), IKESAs: 3, IPsecSAs: 4, Overruns: 5,
			XFRM: map[string]uint64{"in_no_states": 6}, Gateways: []Gateway{{"G", 625_000}}, Took: map[string]Durations{Main: took},
			Negotiations: map[Negotiation]uint64{{"a", Main, Initiator, "proposal"}: 7, {"a", Main, Initiator, OK}: 1},
			Tunnels: []Tunnel{{Name: "a", Gateway: "G", Peer: "P", Remote: "202.108.22.5", Mode: Main, State: Silent, Dead: 8, Resent: 9, Replayed: 10, Damaged: 11,
				Probe:    &Probe{RTT: 12 * time.Millisecond, Loss: 0.25},
				Policies: []Policy{{Name: "10.0.0.0/24", BytesIn: 13, PacketsOut: 14, Expires: time.Unix(1_760_003_600, 0)}}}},
		}, nil
	})
	for _, want := range []string{
		`twinspan_config_last_reload_success_timestamp_seconds 1.76e+09`,
		`twinspan_ike_sas 3`, `twinspan_ipsec_sas 4`, `twinspan_netlink_overruns_total 5`,
		`twinspan_xfrm_errors_total{reason="in_no_states"} 6`,
		`twinspan_ike_negotiations_total{exchange="main",result="proposal",role="initiator",tunnel="a"} 7`,
		`twinspan_ike_negotiations_total{exchange="main",result="ok",role="initiator",tunnel="a"} 1`,
		`twinspan_ike_negotiations_total{exchange="quick",result="ok",role="responder",tunnel="a"} 0`,
		`twinspan_dpd_timeouts_total{tunnel="a"} 8`, `twinspan_ike_retransmissions_total{tunnel="a"} 9`,
		`twinspan_tunnel_replay_errors_total{tunnel="a"} 10`, `twinspan_tunnel_integrity_errors_total{tunnel="a"} 11`,
		`twinspan_probe_rtt_seconds{tunnel="a"} 0.012`, `twinspan_probe_loss_ratio{tunnel="a"} 0.25`,
		`twinspan_tunnel_up{tunnel="a"} 0`, `twinspan_tunnel_state{state="silent",tunnel="a"} 1`,
		`twinspan_tunnel_receive_bytes_total{policy="10.0.0.0/24",tunnel="a"} 13`,
		`twinspan_tunnel_transmit_packets_total{policy="10.0.0.0/24",tunnel="a"} 14`,
		`twinspan_ipsec_sa_expiry_timestamp_seconds{policy="10.0.0.0/24",tunnel="a"} 1.7600036e+09`,
		`twinspan_bandwidth_limit_bytes_per_second{gateway="G"} 625000`,
		`twinspan_ike_negotiation_duration_seconds_bucket{exchange="main",le="0.05"} 1`,
		`twinspan_ike_negotiation_duration_seconds_bucket{exchange="main",le="5"} 2`,
		`twinspan_ike_negotiation_duration_seconds_bucket{exchange="main",le="+Inf"} 3`,
		`process_resident_memory_bytes `, `go_goroutines `,
	} {
		if !strings.Contains(w.Body.String(), "\n"+want) {
			t.Errorf("not told: %s", want)
		}
	}
	if t.Failed() {
		t.Log(w.Body)
	}
}

// A scrape that cannot be answered must fail: an empty one would look like
// tunnels that are no more.
func TestNothingIsToldOfADaemonThatStops(t *testing.T) {
	w := told(t, func() (Facts, error) { return Facts{}, errors.New("the daemon stops") })
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "the daemon stops") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
