package userspace

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
)

// singles is a Wire that can only send one by one, batches one that can more.
type singles struct {
	calls []string
	err   error
}

func (s *singles) SendESP(_, remote netip.AddrPort, packet []byte) error {
	s.calls = append(s.calls, remote.Addr().String()+" "+string(packet))
	return s.err
}

type batches struct{ singles }

func (b *batches) SendESPBatch(_, remote netip.AddrPort, packets [][]byte) error {
	b.calls = append(b.calls, remote.Addr().String()+" "+string(bytes.Join(packets, []byte("+"))))
	return b.err
}

// Packets keep their order, and those of one path go together where the wire
// can.
func TestWirebox(t *testing.T) {
	one, two := &path{remote: netip.AddrPortFrom(outerA, 4500)}, &path{remote: netip.AddrPortFrom(outerB, 4500)}
	broken := errors.New("no route")
	slow, fast := &singles{}, &batches{}
	for _, c := range []struct {
		wire   Wire
		calls  *singles
		want   []string
		failed int // when everything fails
	}{
		{slow, slow, []string{"192.0.2.1 a", "192.0.2.1 b", "192.0.2.2 c", "192.0.2.1 d"}, 4},
		{fast, &fast.singles, []string{"192.0.2.1 a+b", "192.0.2.2 c", "192.0.2.1 d"}, 3},
	} {
		for _, err := range []error{nil, broken} {
			c.calls.calls, c.calls.err = nil, err
			w := wirebox{wire: c.wire}
			failed := w.flush() // nothing
			for _, p := range []struct {
				body string
				way  *path
			}{{"a", one}, {"b", one}, {"c", two}, {"d", one}} {
				failed += w.add([]byte(p.body), p.way)
			}
			failed += w.flush() + w.flush()
			want := 0
			if err != nil {
				want = c.failed
			}
			if !slices.Equal(c.calls.calls, c.want) || failed != want {
				t.Errorf("sent %q with %d failures, want %q and %d", c.calls.calls, failed, c.want, want)
			}
		}
	}
}

// The queue hands on copies in their order, waits when it is full and lets go
// of who waits when it is closed.
func TestQueue(t *testing.T) {
	q := newQueue()
	defer q.free()
	packet := []byte{0}
	put := func(from, to int) {
		for i := from; i < to; i++ {
			packet[0] = byte(i)
			q.put(arrival{esp: packet, src: outerA, dst: outerB, port: 999})
		}
	}
	check := func(from, to int) {
		t.Helper()
		got := q.take()
		if len(got) != to-from {
			t.Fatalf("%d packets, want %d", len(got), to-from)
		}
		for i, a := range got {
			if a.esp[0] != byte(from+i) || a.src != outerA || a.dst != outerB || a.port != 999 {
				t.Fatalf("packet %d is %+v", from+i, a)
			}
		}
	}
	put(0, 3)
	check(0, 3)
	check(0, 0)
	put(3, 3+queueSize)
	late := make(chan struct{})
	go func() {
		put(3+queueSize, 5+queueSize) // finds no room
		close(late)
	}()
	<-q.wake
	check(3, 3+queueSize)
	<-late
	check(3+queueSize, 5+queueSize)

	put(0, queueSize)
	late = make(chan struct{})
	go func() {
		put(0, 1)
		close(late)
	}()
	q.close()
	<-late
}

// Big packets keep their place among the others, wait when there are many, and
// fill few buffers however they come.
func TestQueueOfBigPackets(t *testing.T) {
	q := newQueue()
	defer q.free()
	put := func(n int, mark byte) {
		packet := bytes.Repeat([]byte{mark}, n)
		q.put(arrival{esp: packet, src: outerA, dst: outerB})
	}
	for round := range byte(10) {
		for i := range byte(queueBig) {
			put(100, round+2*i)
			put(packetMax, round+2*i+1)
		}
		late := make(chan struct{})
		go func() {
			put(packetMax, 99)
			close(late)
		}()
		for i, a := range q.take() {
			if want := []int{100, packetMax}[i%2]; len(a.esp) != want || a.esp[want-1] != round+byte(i) {
				t.Fatalf("packet %d has %d bytes of %d", i, len(a.esp), a.esp[0])
			}
		}
		<-late
		if got := q.take(); len(got) != 1 || got[0].esp[0] != 99 {
			t.Fatalf("%d packets after the others", len(got))
		}
	}
	written := 0
	for _, h := range []*half{q.filling, q.working} {
		for _, b := range h.buffers {
			if b[:packetMax][packetMax-1] != 0 {
				written++
			}
		}
	}
	if written > 2*queueBig {
		t.Errorf("%d buffers are full", written)
	}
}
