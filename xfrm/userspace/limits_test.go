package userspace

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

var epoch = time.Unix(1000, 0)

func TestTallyOfBytes(t *testing.T) {
	for _, story := range []struct {
		name       string
		soft, hard uint64
		want       []verdict // of packets of 100 bytes
	}{
		{"no limit", 0, 0, []verdict{pass, pass, pass, pass}},
		{"the packet that reaches a limit passes", 200, 300, []verdict{pass, pass, passSoft, over, gone, gone}},
		{"soft only", 150, 0, []verdict{pass, pass, passSoft, pass, pass}},
		{"hard only", 0, 100, []verdict{pass, over, gone}},
		{"both at once", 100, 100, []verdict{pass, over, gone}},
		{"one packet beyond both", 10, 50, []verdict{pass, over, gone}},
	} {
		t.Run(story.name, func(t *testing.T) {
			c := tally{soft: xfrm.Limit{Bytes: story.soft}, hard: xfrm.Limit{Bytes: story.hard}}
			passed := uint64(0)
			for i, want := range story.want {
				if got := c.spend(100, epoch); got != want {
					t.Fatalf("packet %d: %d, want %d", i, got, want)
				}
				if want == pass || want == passSoft {
					passed++
				}
			}
			if c.used.Packets != passed || c.used.Bytes != 100*passed || c.used.LastUsed != epoch {
				t.Errorf("usage %+v after %d packets", c.used, passed)
			}
		})
	}
}

func TestTallyOfTime(t *testing.T) {
	const s = time.Second
	type step struct {
		after time.Duration
		hard  bool
	}
	for _, story := range []struct {
		name       string
		soft, hard time.Duration
		want       []step
	}{
		{"none", 0, 0, nil},
		{"soft, then hard", 5 * s, 9 * s, []step{{5 * s, false}, {9 * s, true}}},
		{"soft only", 5 * s, 0, []step{{5 * s, false}}},
		{"hard only", 0, 9 * s, []step{{9 * s, true}}},
		{"soft after hard is never", 9 * s, 5 * s, []step{{5 * s, true}}},
		{"both at once", 5 * s, 5 * s, []step{{5 * s, true}}},
	} {
		t.Run(story.name, func(t *testing.T) {
			c := tally{soft: xfrm.Limit{Time: story.soft}, hard: xfrm.Limit{Time: story.hard}, used: xfrm.Usage{Added: epoch}}
			var got []step
			for at, hard, ok := c.next(); ok; at, hard, ok = c.next() {
				got = append(got, step{at.Sub(epoch), hard})
				if !c.expire(hard) || c.expire(hard) {
					t.Fatal("a limit is told once")
				}
			}
			if !slices.Equal(got, story.want) {
				t.Errorf("limits at %v, want %v", got, story.want)
			}
		})
	}
}

// Sequence numbers end; they never come again.
func TestSequenceNumbersEnd(t *testing.T) {
	l := newLoop(t, plain)
	l.out.out.seq = lateSeq - 2
	seal := func() verdict {
		packet := testPacket(false, 40)
		buf := make([]byte, headroom+len(packet)+tailroom)
		copy(buf[headroom:], packet)
		h, _ := readInner(packet)
		esp, _, v := l.out.seal(buf, h, epoch)
		if (v == pass || v == passSoft) != (esp != nil) {
			t.Fatalf("verdict %d with the packet %x", v, esp)
		}
		return v
	}
	for i, want := range []verdict{pass, passSoft, pass} {
		if got := seal(); got != want {
			t.Fatalf("packet %d near the end: %d, want %d", i, got, want)
		}
	}
	l.out.out.seq = math.MaxUint32 - 1
	for i, want := range []verdict{pass, over, gone, gone} {
		if got := seal(); got != want {
			t.Fatalf("packet %d at the end: %d, want %d", i, got, want)
		}
	}
	if l.out.out.seq != math.MaxUint32 {
		t.Errorf("the number is %d", l.out.out.seq)
	}
}

func TestDeadlinesComeInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var q deadlines
	if _, ok := q.next(); ok || q.due(epoch) != nil {
		t.Fatal("an empty queue has a deadline")
	}
	all := make([]deadline, 500)
	want := map[*deadline]time.Time{}
	for range 3000 { // set, moved and taken out again, in any order
		d := &all[rng.IntN(len(all))]
		at := epoch.Add(time.Duration(rng.IntN(1000)) * time.Second)
		ok := rng.IntN(4) > 0
		q.set(d, at, false, ok)
		delete(want, d)
		if ok {
			want[d] = at
		}
	}
	last := time.Time{}
	for now := epoch; len(want) > 0; now = now.Add(10 * time.Second) {
		if next, ok := q.next(); !ok || next.Before(last) {
			t.Fatalf("next at %v (%v) after %v", next, ok, last)
		}
		for d := q.due(now); d != nil; d = q.due(now) {
			if at, ok := want[d]; !ok || at != d.at || at.After(now) || at.Before(last) {
				t.Fatalf("at %v came %v, which was set to %v", now, d.at, at)
			}
			last = d.at
			delete(want, d)
		}
		for d, at := range want {
			if !at.After(now) {
				t.Fatalf("%p of %v did not come by %v", d, at, now)
			}
		}
	}
}

// Nobody reads: events are dropped, and the first one after says so.
func TestEventsNeverBlock(t *testing.T) {
	e := events{out: make(chan xfrm.Event, 2)}
	for i := range 5 {
		e.emit(xfrm.Acquire{ReqID: uint32(i)})
	}
	<-e.out
	<-e.out
	e.emit(xfrm.Acquire{ReqID: 9})
	if ev := <-e.out; ev != (xfrm.Lost{}) {
		t.Errorf("got %+v, want Lost", ev)
	}
	if ev := <-e.out; ev != (xfrm.Acquire{ReqID: 9}) {
		t.Errorf("got %+v after Lost", ev)
	}
	e.close()
	e.emit(xfrm.Lost{}) // into a closed channel would panic
	if _, ok := <-e.out; ok {
		t.Error("an event came after the end")
	}
}

func TestQuotaOfAnswers(t *testing.T) {
	var q quota
	count := func(now time.Time) (n int) {
		for range 3 * answersPerSecond {
			if q.allow(now) {
				n++
			}
		}
		return n
	}
	if a, b, c := count(epoch), count(epoch.Add(time.Second/2)), count(epoch.Add(time.Second)); a != answersPerSecond || b != 0 || c != answersPerSecond {
		t.Errorf("%d, %d and %d answers, want %d, 0 and %d", a, b, c, answersPerSecond, answersPerSecond)
	}
}
