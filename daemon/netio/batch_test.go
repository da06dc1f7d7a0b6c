package netio

import (
	"bytes"
	"testing"
)

// TestESPBatch sends all kinds of rows of packets to a plain socket and to one of
// ours: each packet arrives as it was, in its place.
func TestESPBatch(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	repeat := func(n, size int) (out []int) {
		for range n {
			out = append(out, size)
		}
		return out
	}
	for _, row := range []struct {
		name  string
		sizes []int
	}{
		{"none", nil},
		{"one", []int{100}},
		{"equal", repeat(10, 1400)},
		{"more than go together", repeat(150, 200)},
		{"more bytes than go together", repeat(60, 1400)},
		{"the last is shorter", append(repeat(5, 1400), 60)},
		{"growing", []int{60, 61, 62, 63}},
		{"mixed", []int{1400, 1400, 60, 60, 1400, 80, 1400, 1400}},
		{"fragments", repeat(4, 3000)},
		{"fragments and others", []int{3000, 3000, 1400, 1400}},
	} {
		for _, way := range []struct{ name, local, remote string }{
			{"IPv4", "192.0.2.2:4500", "192.0.2.9:4500"},
			{"IPv6", "[2001:db8::2]:4500", "[2001:db8::9]:4500"},
		} {
			t.Run(row.name+", "+way.name, func(t *testing.T) {
				var packets [][]byte
				for i, size := range row.sizes {
					packets = append(packets, bytesOf(byte(i+1), size))
				}
				c := other(t, peer, way.remote)
				if err := g.SendESPBatch(ap(way.local), ap(way.remote), packets); err != nil {
					t.Fatal(err)
				}
				for i, want := range packets {
					if got, from := read(t, c); from != ap(way.local) || !bytes.Equal(got, want) {
						t.Fatalf("packet %d: %d bytes of %x came from %v", i, len(got), got[0], from)
					}
				}
				_ = c.Close()

				from := open(t, peer, Options{})
				if err := from.SendESPBatch(ap(way.remote), ap(way.local), packets); err != nil {
					t.Fatal(err)
				}
				for i, want := range packets {
					d := receive(t, g.esp)
					if d.Local != ap(way.local) || d.Remote != ap(way.remote) || !bytes.Equal(d.Data, want) {
						t.Fatalf("packet %d: %d bytes of %x came to %v", i, len(d.Data), d.Data[0], d.Local)
					}
				}
				if err := from.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestOneByOne: where the kernel does not take packets together they still go.
func TestOneByOne(t *testing.T) {
	ours, peer := wire(t)
	s := open(t, ours, Options{})
	for _, k := range s.sockets {
		k.single.Store(true)
	}
	c := other(t, peer, "192.0.2.9:4500")
	if err := s.SendESPBatch(ap("192.0.2.1:4500"), ap("192.0.2.9:4500"), [][]byte{bytesOf(1, 50), bytesOf(2, 50)}); err != nil {
		t.Fatal(err)
	}
	for i := range byte(2) {
		if got, _ := read(t, c); !bytes.Equal(got, bytesOf(i+1, 50)) {
			t.Errorf("packet %d is %x", i, got)
		}
	}
}

func TestBatchThatCannotBeSent(t *testing.T) {
	ours, _ := wire(t)
	s := open(t, ours, Options{})
	two := [][]byte{bytesOf(1, 50), bytesOf(2, 50)}
	for _, row := range [][2]string{
		{"192.0.2.1:500", "192.0.2.9:4500"},    // not the NAT-T port
		{"192.0.2.77:4500", "192.0.2.9:4500"},  // not our address
		{"192.0.2.1:4500", "203.0.113.1:4500"}, // no route
	} {
		if err := s.SendESPBatch(ap(row[0]), ap(row[1]), two); err == nil {
			t.Errorf("%v: no error", row)
		}
	}
	if s.sockets[1].single.Load() {
		t.Error("an error of the address was taken for one of the kernel")
	}
}
