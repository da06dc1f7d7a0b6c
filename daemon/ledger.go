package daemon

import (
	"maps"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// ledger is what was asked of the data plane: which SAs it should hold, whose
// they are, and what went through them and through those before them.
type ledger struct {
	sas    map[xfrm.SAID]*entry
	gone   map[account]api.Traffic // of SAs that are no more
	polled time.Time
	rated  time.Time // when the rates of the SAs were taken
	next   time.Time // when to poll at the latest for the sake of a limit
}

// account is whose SAs count together: those of a tunnel's policy, which has the
// name of its local network. It stays when SAs are replaced.
type account struct {
	tunnel string
	policy netip.Prefix
}

type entry struct {
	account
	dir     xfrm.Direction
	reqID   uint32
	added   time.Time
	usage   xfrm.Usage
	pending bool // an inbound SA whose quick mode is not done yet
	grown   bool // packets went through since it was last told
	forecast
}

func newLedger() *ledger {
	return &ledger{sas: map[xfrm.SAID]*entry{}, gone: map[account]api.Traffic{}}
}

// put enters an SA. One that is put again goes on counting in the data plane,
// and here.
func (l *ledger) put(sa xfrm.SA, whose account, now time.Time) {
	e := &entry{
		account: whose, dir: sa.Dir, reqID: sa.ReqID, added: now, pending: sa.Dir == xfrm.In,
		forecast: forecast{limit: sa.Hard.Bytes},
	}
	if old := l.sas[sa.ID()]; old != nil {
		e.usage, e.rated, e.rate = old.usage, old.rated, old.rate
	}
	l.sas[sa.ID()] = e
}

// drop strikes an SA out and keeps its count.
func (l *ledger) drop(id xfrm.SAID) {
	e := l.sas[id]
	if e == nil {
		return
	}
	l.keep(e)
	delete(l.sas, id)
}

func (l *ledger) keep(e *entry) {
	t := l.gone[e.account]
	t.Add(e.traffic())
	l.gone[e.account] = t
}

// settled says that the quick mode of an inbound SA is done.
func (l *ledger) settled(id xfrm.SAID) {
	if e := l.sas[id]; e != nil {
		e.pending = false
	}
}

// waiting tells whether a quick mode waits for its third message.
func (l *ledger) waiting() bool {
	for _, e := range l.sas {
		if e.pending {
			return true
		}
	}
	return false
}

// update takes the data plane's counters.
func (l *ledger) update(now time.Time, counters map[xfrm.SAID]xfrm.Usage) {
	l.polled = now
	for id, u := range counters {
		e := l.sas[id]
		if e == nil {
			continue
		}
		if u.Packets < e.usage.Packets || u.Bytes < e.usage.Bytes {
			l.keep(e) // another SA of the same name: it counts from zero
		}
		e.grown = e.grown || u.Packets > e.usage.Packets
		e.usage = u
	}
	l.rate(now)
}

// active returns the SAs that packets went through since the last call.
func (l *ledger) active() []ike.Input {
	var all []ike.Input
	for id, e := range l.sas {
		switch {
		case !e.grown:
			continue
		case e.dir == xfrm.In:
			all = append(all, ike.Used{SPI: id.SPI})
		default:
			all = append(all, ike.Sent{SPI: id.SPI, Dst: id.Dst})
		}
		e.pending, e.grown = false, false
	}
	return all
}

// forget drops the counts of tunnels that are no more.
func (l *ledger) forget(known func(tunnel string) bool) {
	for a := range l.gone {
		if !known(a.tunnel) {
			delete(l.gone, a)
		}
	}
}

// traffic is every tunnel's, SAs that are gone included.
func (l *ledger) traffic() map[string]api.Traffic {
	sum := make(map[string]api.Traffic, len(l.gone))
	for a, more := range l.byPolicy() {
		t := sum[a.tunnel]
		t.Add(more)
		sum[a.tunnel] = t
	}
	return sum
}

// byPolicy is every policy's, SAs that are gone included.
func (l *ledger) byPolicy() map[account]api.Traffic {
	sum := maps.Clone(l.gone)
	for _, e := range l.sas {
		t := sum[e.account]
		t.Add(e.traffic())
		sum[e.account] = t
	}
	return sum
}

func (e *entry) traffic() api.Traffic {
	t := api.Traffic{ReplayErrors: e.usage.ReplayErrors, IntegrityErrors: e.usage.IntegrityErrs}
	if e.dir == xfrm.In {
		t.BytesIn, t.PacketsIn = e.usage.Bytes, e.usage.Packets
	} else {
		t.BytesOut, t.PacketsOut = e.usage.Bytes, e.usage.Packets
	}
	return t
}

// missing are the SAs that should be held and are not, as the hard limits that
// they must have reached.
func (l *ledger) missing(held map[xfrm.SAID]bool) []xfrm.Expired {
	var lost []xfrm.Expired
	for id, e := range l.sas {
		if !held[id] {
			lost = append(lost, xfrm.Expired{SPI: id.SPI, Dst: id.Dst, ReqID: e.reqID, Hard: true})
		}
	}
	return lost
}
