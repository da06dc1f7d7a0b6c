package hostile

import (
	"net/netip"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// floods are the cases of mass. A good peer connects in the midst of each.
var floods = []Case{
	{Name: "flood from the late peer", Shape: "first messages under the address of a peer that connects meanwhile", run: floodSpoofed, flood: true},
	{Name: "flood from strangers", Shape: "first messages from thousands of addresses that nobody is configured with", run: floodStrangers, flood: true},
	{Name: "flood for Diffie-Hellman", Shape: "main modes up to message 3, whose answer costs a computation, and no further", run: floodDH, flood: true},
	{Name: "flood of everything", Shape: "all that was sent before, spoiled, from known and unknown addresses on both ports", run: floodMixed, flood: true},
}

// floodRate is what an attacker sends per second: enough to fill the victim's
// bound of half-open sessions in a second.
const floodRate = 4000

func floodSpoofed(a *attack) {
	a.pace(6000, floodRate, func() {
		a.must(a.wire.send(netip.AddrPortFrom(lateHost.Addr(), portIKE), a.port(portIKE), a.forger().first()))
	})
}

// someStranger is one of 65536 addresses.
func (a *attack) someStranger() netip.AddrPort {
	ip := strangers.Addr().As4()
	ip[2], ip[3] = byte(a.r.Uint32()), byte(a.r.Uint32())
	return netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(1+a.r.IntN(65535)))
}

func floodStrangers(a *attack) {
	a.pace(6000, floodRate, func() {
		a.must(a.wire.send(a.someStranger(), a.port(portIKE), a.forger().first()))
	})
}

func floodDH(a *attack) {
	f := a.forger()
	a.pace(500, 250, func() {
		f.reset()
		answer, err := f.ask(f.first(), patience, f.isSecond)
		a.must(err)
		f.cookies.Responder = [8]byte(answer[8:])
		f.gxi = append([]byte{0}, a.bytes(255)...)
		a.must(f.send(f.third()))
		a.sent++
	})
}

func floodMixed(a *attack) {
	f := a.insider()
	kinds := []func() []byte{
		func() []byte { return f.first() },
		func() []byte { return f.third() },
		func() []byte { data, _ := f.fifth(f.identity()); return data },
		func() []byte { return f.propose(a.quick(f)) },
		func() []byte {
			return f.notify(isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: 36137, SPI: f.cookieSPI(), Data: a.bytes(4)})
		},
	}
	sources := []func(port uint16) netip.AddrPort{
		a.peer,
		func(uint16) netip.AddrPort { return a.stranger() },
		func(port uint16) netip.AddrPort { return netip.AddrPortFrom(lateHost.Addr(), port) },
	}
	a.pace(4000, 2*floodRate, func() {
		data := a.mutate(kinds[a.r.IntN(len(kinds))]())
		port := uint16(portIKE)
		if a.r.IntN(3) == 0 {
			port, data = portNATT, append(make([]byte, 4), data...)
		}
		a.must(a.wire.send(sources[a.r.IntN(len(sources))](port), a.port(port), data))
	})
}
