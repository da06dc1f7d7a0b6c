package ikesim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// Datagram is one on its way.
type Datagram struct {
	N             int            // how many were sent before it in this world, and itself
	From          string         // the sender's name
	Local, Remote netip.AddrPort // as the sender sees them
	Step          string         // what it carries: "MM1"; of a resend "MM1 again"
	Data          []byte         // do not change it
}

// Arrival is one copy of a datagram at its destination.
type Arrival struct {
	After time.Duration
	Data  []byte
}

// Rule decides what becomes of a datagram: a copy for each Arrival.
type Rule func(Datagram) []Arrival

// Deliver is the rule of a good network.
func Deliver(d Datagram) []Arrival { return []Arrival{{Latency, d.Data}} }

// Lose drops the datagrams with these numbers.
func Lose(numbers ...int) Rule {
	return func(d Datagram) []Arrival {
		if slices.Contains(numbers, d.N) {
			return nil
		}
		return Deliver(d)
	}
}

// LoseFirst drops, for each of the steps, the first datagram that carries it.
func LoseFirst(steps ...string) Rule {
	left := slices.Clone(steps)
	return func(d Datagram) []Arrival {
		if i := slices.Index(left, d.Step); i >= 0 {
			left = slices.Delete(left, i, i+1)
			return nil
		}
		return Deliver(d)
	}
}

// Twice delivers every datagram two times, the second one after a while.
func Twice(after time.Duration) Rule {
	return func(d Datagram) []Arrival { return []Arrival{{Latency, d.Data}, {Latency + after, d.Data}} }
}

// Narrow drops the datagrams that make packets of more than so many bytes, as
// networks do that lose the fragments of IP.
func Narrow(mtu int) Rule {
	const around = 20 + 8 + 4 // IPv4, UDP and the non-ESP marker
	return func(d Datagram) []Arrival {
		if len(d.Data)+around > mtu {
			return nil
		}
		return Deliver(d)
	}
}

// Delay holds the datagrams with these numbers back.
func Delay(by time.Duration, numbers ...int) Rule {
	return func(d Datagram) []Arrival {
		if slices.Contains(numbers, d.N) {
			return []Arrival{{Latency + by, d.Data}}
		}
		return Deliver(d)
	}
}

// Spoil flips one bit of the datagram with this number, and delivers only that.
func Spoil(number, bit int) Rule {
	return func(d Datagram) []Arrival {
		if d.N != number {
			return Deliver(d)
		}
		data := slices.Clone(d.Data)
		bit := bit % (8 * len(data))
		data[bit/8] ^= 1 << (bit % 8)
		return []Arrival{{Latency, data}}
	}
}

// Chaos loses, doubles and delays at random, each with a chance of p.
func Chaos(seed string, p float64) Rule {
	r := newDice(seed).r
	chance := func() bool { return float64(r.Uint64()>>11)/(1<<53) < p }
	return func(d Datagram) []Arrival {
		var all []Arrival
		for copies := 1; copies > 0; copies-- {
			if chance() {
				continue
			}
			after := Latency
			if chance() {
				after += time.Duration(r.Uint64() % uint64(3*time.Second))
			}
			all = append(all, Arrival{after, d.Data})
			if len(all) == 1 && chance() {
				copies++
			}
		}
		return all
	}
}

// send puts a datagram on the network.
func (w *World) send(from *Host, s ike.Send, step string) {
	w.count++
	d := Datagram{N: w.count, From: from.Name, Local: s.Local, Remote: s.Remote, Step: step, Data: s.Data}
	if w.OnSend != nil {
		w.OnSend(d)
	}
	rule := w.Rule
	if rule == nil {
		rule = Deliver
	}
	arrivals := rule(d)
	source, dest := w.outward(s.Local), w.inward(s.Remote)
	to := w.route[dest.Addr()]
	name := "nobody"
	if to != nil {
		name = to.Name
	}
	w.tell("%s -> %s  %s%s", from.Name, name, step, fate(d, arrivals))
	if to == nil {
		return
	}
	for _, a := range arrivals {
		w.After(a.After, func() {
			to.Step(ike.Packet{Local: dest, Remote: source, Data: slices.Clone(a.Data)})
		})
	}
}

// translated is how far a translator moves ports, and each time that it begins
// anew how much farther.
const (
	translated      = 20000
	translatedAgain = 5000
)

// translator is one before a host.
type translator struct {
	private, public netip.Addr
	shift           uint16 // of ports
}

// Translate puts a translator before a host: it is seen from outside at the
// public address, and by other ports. The data planes do not know of it. rebind
// makes it begin anew, with another public address or the same: it gives other
// ports, and what is sent to those of before finds nobody.
func (w *World) Translate(private, public netip.Addr) (rebind func(public netip.Addr)) {
	n := &translator{private, public, translated}
	w.translators = append(w.translators, n)
	return func(public netip.Addr) { n.public, n.shift = public, n.shift+translatedAgain }
}

// outward is what a source address looks like from outside.
func (w *World) outward(a netip.AddrPort) netip.AddrPort {
	for _, n := range w.translators {
		if n.private == a.Addr() {
			return netip.AddrPortFrom(n.public, a.Port()+n.shift)
		}
	}
	return a
}

// inward is where a destination is. What is sent to a public address and to none
// of the ports that its translator gave out finds nobody.
func (w *World) inward(a netip.AddrPort) netip.AddrPort {
	for _, n := range w.translators {
		if n.public == a.Addr() && a.Port() > n.shift {
			return netip.AddrPortFrom(n.private, a.Port()-n.shift)
		}
	}
	return a
}

// fate marks in the trace what the network did to a datagram.
func fate(d Datagram, arrivals []Arrival) string {
	switch {
	case len(arrivals) == 0:
		return ", lost"
	case len(arrivals) > 1:
		return ", doubled"
	case arrivals[0].After > Latency:
		return ", delayed"
	case !slices.Equal(arrivals[0].Data, d.Data):
		return ", spoiled"
	}
	return ""
}
