package netio

import (
	"net/netip"
	"sync/atomic"
	"testing"
)

// BenchmarkSendESP sends packets of full size through a cable to nobody.
func BenchmarkSendESP(b *testing.B) {
	ours, peer := wire(b)
	s := open(b, ours, Options{})
	other(b, peer, "192.0.2.9:4500")
	packet := bytesOf(0xee, 1400)
	local, remote := ap("192.0.2.1:4500"), ap("192.0.2.9:4500")
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SendESP(local, remote, packet); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

// BenchmarkSendESPBatch sends the same, 32 at a time.
func BenchmarkSendESPBatch(b *testing.B) {
	ours, peer := wire(b)
	s := open(b, ours, Options{})
	other(b, peer, "192.0.2.9:4500")
	packets := batch32()
	b.SetBytes(32 * 1400)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SendESPBatch(ap("192.0.2.1:4500"), ap("192.0.2.9:4500"), packets); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

func batch32() (packets [][]byte) {
	for range 32 {
		packets = append(packets, bytesOf(0xee, 1400))
	}
	return packets
}

// BenchmarkReceiveESP counts what comes out of the callback while one sender
// does what it can.
func BenchmarkReceiveESP(b *testing.B) {
	ours, peer := wire(b)
	to, from := open(b, ours, Options{}), open(b, peer, Options{})
	var got atomic.Uint64
	go func() { _ = to.Serve(b.Context(), func(_, _ netip.AddrPort, _ []byte) { got.Add(1) }) }()
	packets := batch32()
	local, remote := ap("192.0.2.9:4500"), ap("192.0.2.1:4500")
	b.SetBytes(32 * 1400)
	b.ReportAllocs()
	for b.Loop() {
		if err := from.SendESPBatch(local, remote, packets); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(got.Load())/b.Elapsed().Seconds(), "received/s")
	b.ReportMetric(float64(got.Load())/float64(32*b.N), "arrived")
}
