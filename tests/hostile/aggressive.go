package hostile

import "github.com/twinspan/twinspan/ike/isakmp"

// aggressive are the cases of a tunnel in aggressive mode, whose first message
// costs the victim a computation before the address is known to be true.
var aggressive = []Case{
	{Name: "aggressive: lying lengths", Shape: "each two bytes of its first message as 0, 1, 3, 4, 255 and 65535", run: aggressiveLies, hasty: true},
	{Name: "aggressive: pieces", Shape: "each of its payloads missing, and each message of main mode", run: aggressiveMissing, hasty: true},
	{Name: "aggressive: third messages", Shape: "hashes, identities and notifications of no good after message 2", run: aggressiveThird, hasty: true},
	{Name: "aggressive: flood", Shape: "complete first messages under the address of the peer", run: aggressiveFlood, hasty: true, flood: true},
}

// hastyFirst is a first message of aggressive mode under a new cookie.
func (a *attack) hastyFirst() []byte {
	return clearText(a.header(isakmp.AggressiveMode), a.aggressiveChain(a.forger())...)
}

func aggressiveLies(a *attack) {
	data := a.hastyFirst()
	short := data[:isakmp.HeaderSize+80] // the offer, and the header of what follows
	lies(short, func(lie []byte) {
		copy(lie, a.bytes(8))
		a.send(append(lie, data[len(short):]...))
	})
}

func aggressiveMissing(a *attack) {
	aggressivePieces(a)
	for range rounds {
		f := a.forger()
		a.send(f.first())
		a.send(f.third())
	}
}

func aggressiveThird(a *attack) {
	for range 2 * rounds {
		f := a.forger()
		h := isakmp.Header{Initiator: f.cookies.Initiator, Exchange: isakmp.AggressiveMode}
		answer, err := f.ask(clearText(h, a.aggressiveChain(f)...), patience, func(answer []byte) bool {
			h, err := isakmp.ParseHeader(answer)
			return err == nil && h.Exchange == isakmp.AggressiveMode && h.Initiator == f.cookies.Initiator
		})
		a.must(err)
		f.cookies.Responder = [8]byte(answer[8:])
		h = f.header(isakmp.AggressiveMode, 0)
		a.send(clearText(h, isakmp.Payload{Type: isakmp.Hash, Body: a.bytes(20)}))
		a.send(clearText(h, isakmp.Payload{Type: isakmp.Hash}))
		a.send(clearText(h, isakmp.Payload{Type: isakmp.Notify, Body: a.bytes(20)}))
		h.Flags = isakmp.Encrypted
		a.send(clearText(h, isakmp.Payload{Type: isakmp.Hash, Body: a.bytes(44)}))
	}
}

func aggressiveFlood(a *attack) {
	a.pace(250, 250, func() { a.must(a.wire.send(a.peer(portIKE), a.port(portIKE), a.hastyFirst())) })
}
