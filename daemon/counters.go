package daemon

import "strings"

// counterName is a word of the key exchange as a counter's name.
func counterName(word string) string { return strings.ReplaceAll(word, " ", "_") }

// counters are all that is counted, by name. Those of the engine and of the
// sockets are theirs; the rest is the reporter's: reports by kind and faults
// by cause.
func (l *loop) counters() map[string]uint64 {
	e := l.engine.Counters()
	all := map[string]uint64{
		"ike_packets":                e.Packets,
		"ike_dropped_bad_header":     e.BadHeader,
		"ike_dropped_bad_cookie":     e.BadCookie,
		"ike_dropped_bad_exchange":   e.BadExchange,
		"ike_dropped_unknown_peer":   e.UnknownPeer,
		"ike_dropped_disabled":       e.Disabled,
		"ike_dropped_unknown_cookie": e.UnknownCookie,
		"ike_dropped_wrong_address":  e.WrongAddress,
		"ike_refused_first":          e.RefusedFirst,
		"ike_half_open_dropped":      e.HalfOpenDropped,
		"ike_sessions":               e.Sessions,
		"ike_half_open":              e.HalfOpen,
		"sockets_dropped":            l.wire.Dropped(),
		"computations_waiting":       uint64(l.pool.waiting()),
		"ipsec_sas":                  uint64(len(l.ledger.sas)),
		"event_readers":              uint64(len(l.readers)),
	}
	for name, n := range l.reporter.counts {
		all[name] = n
	}
	return all
}
