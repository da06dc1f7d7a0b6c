package metrics

import "github.com/prometheus/client_golang/prometheus"

// descriptions are all that were made with describe.
var descriptions []*prometheus.Desc

// describe names a metric: what comes after "twinspan_", what it is, and its labels.
func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("twinspan_"+name, help, labels, nil)
	descriptions = append(descriptions, d)
	return d
}

// The metrics.
var (
	buildInfo           = describe("build_info", "Build information; the value is always 1.", "version", "goversion", "revision")
	reloadSuccessful    = describe("config_last_reload_successful", "Whether the last configuration load was applied.")
	reloadTime          = describe("config_last_reload_success_timestamp_seconds", "Time of the last applied configuration.")
	tunnelInfo          = describe("tunnel_info", "Configured tunnels; the value is always 1.", "tunnel", "gateway", "peer", "remote_address", "ike", "mode")
	tunnelUp            = describe("tunnel_up", "Whether every pair of networks of the tunnel has a usable IPsec SA pair.", "tunnel")
	tunnelState         = describe("tunnel_state", "Tunnel state, 1 for the present one.", "tunnel", "state")
	receiveBytes        = describe("tunnel_receive_bytes_total", "Plaintext bytes received through the tunnel since the daemon started, kept over rekeys.", "tunnel", "policy")
	transmitBytes       = describe("tunnel_transmit_bytes_total", "Plaintext bytes sent through the tunnel since the daemon started, kept over rekeys.", "tunnel", "policy")
	receivePackets      = describe("tunnel_receive_packets_total", "Plaintext packets received through the tunnel since the daemon started, kept over rekeys.", "tunnel", "policy")
	transmitPackets     = describe("tunnel_transmit_packets_total", "Plaintext packets sent through the tunnel since the daemon started, kept over rekeys.", "tunnel", "policy")
	replayErrors        = describe("tunnel_replay_errors_total", "Packets of the tunnel dropped as replayed.", "tunnel")
	integrityErrors     = describe("tunnel_integrity_errors_total", "Packets of the tunnel dropped as damaged or forged.", "tunnel")
	negotiations        = describe("ike_negotiations_total", "Finished negotiations by exchange, role and result.", "tunnel", "exchange", "role", "result")
	negotiationDuration = describe("ike_negotiation_duration_seconds", "Time from first message to established.", "exchange")
	retransmissions     = describe("ike_retransmissions_total", "IKE messages sent again.", "tunnel")
	dpdTimeouts         = describe("dpd_timeouts_total", "IKE SAs given up because the peer did not answer dead peer detection.", "tunnel")
	saExpiry            = describe("ipsec_sa_expiry_timestamp_seconds", "Hard expiry of the newest SA of the policy, 0 while it has none.", "tunnel", "policy")
	ipsecSAs            = describe("ipsec_sas", "IPsec SAs in the data plane, each direction one.")
	ikeSAs              = describe("ike_sas", "IKE SAs that stand or are negotiated.")
	xfrmErrors          = describe("xfrm_errors_total", "Kernel IPsec drops from /proc/net/xfrm_stat.", "reason")
	probeRTT            = describe("probe_rtt_seconds", "Round trip time of the last health probe that was answered.", "tunnel")
	probeLoss           = describe("probe_loss_ratio", "Lost share of the last probe window.", "tunnel")
	bandwidthLimit      = describe("bandwidth_limit_bytes_per_second", "Configured gateway tier.", "gateway")
	netlinkOverruns     = describe("netlink_overruns_total", "How often events of the data plane were lost.")
)
