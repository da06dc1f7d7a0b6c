package monitor

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// host is a machine of make-believe: its pings take a millisecond, or their
// whole time where there is no answer.
type host struct {
	mu    sync.Mutex
	own   []netip.Addr
	fate  error // of the next pings, nil for an answer
	sent  []time.Time
	pairs []string
}

func (h *host) set(fate error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fate = fate
}

func (h *host) Ping(_ context.Context, source, target netip.Addr, timeout time.Duration) (time.Duration, error) {
	h.mu.Lock()
	fate := h.fate
	h.sent = append(h.sent, time.Now())
	h.pairs = append(h.pairs, source.String()+" "+target.String())
	h.mu.Unlock()
	if fate != nil {
		time.Sleep(timeout)
		return 0, fate
	}
	time.Sleep(time.Millisecond)
	return time.Millisecond, nil
}

func (h *host) Addresses() ([]netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.own, nil
}

func probe(name string) Probe {
	return Probe{
		Name: name, Target: netip.MustParseAddr("10.0.1.1"), Source: netip.MustParseAddr("192.168.1.1"),
		Interval: 5 * time.Second, Timeout: time.Second, Threshold: 3,
	}
}

// One answer is enough to pass, and only a threshold of silence in a row is a
// failure.
func TestVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		p := New(h)
		p.Set([]Probe{probe("a")})
		defer p.Close()
		for i, step := range []struct {
			fate             error
			decided, passing bool
			loss             float64
		}{
			{nil, true, true, 0},
			{ErrNoAnswer, false, false, 1. / 2},
			{ErrNoAnswer, false, false, 2. / 3},
			{nil, true, true, 2. / 4},
			{ErrNoAnswer, false, false, 3. / 5},
			{ErrNoAnswer, false, false, 4. / 6},
			{ErrNoAnswer, true, false, 5. / 7},
			{ErrNoAnswer, true, false, 6. / 8},
			{nil, true, true, 6. / 9},
		} {
			h.set(step.fate)
			r := <-p.Results()
			if r.Name != "a" || r.Err != nil || r.Decided != step.decided || r.Passing != step.passing || r.Loss != step.loss || r.RTT != time.Millisecond {
				t.Errorf("round %d: %+v, want %+v", i, r, step)
			}
		}
		for range window {
			<-p.Results()
		}
		if r := <-p.Results(); r.Loss != 0 {
			t.Errorf("after %d good rounds the loss is %v", window, r.Loss)
		}
	})
}

// What the host itself refuses says nothing of the tunnel, and does not count.
func TestWhatTheHostRefusesIsNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{fate: errors.New("operation not permitted")}
		p := New(h)
		p.Set([]Probe{probe("a")})
		defer p.Close()
		for range 5 {
			r := <-p.Results()
			if r.Decided || r.Err == nil || !strings.Contains(r.Err.Error(), "ping 10.0.1.1 from 192.168.1.1: operation not permitted") {
				t.Errorf("%+v", r)
			}
		}
	})
}

// Without a source the probe goes from an address of the host in one of the
// networks, as soon as there is one.
func TestSourceIsPicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{own: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("2001:db8::1")}}
		w := probe("a")
		w.Source = netip.Addr{}
		w.Locals = []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("192.168.2.0/24")}
		p := New(h)
		p.Set([]Probe{w})
		defer p.Close()
		r := <-p.Results()
		if r.Err == nil || !strings.Contains(r.Err.Error(), "no address of this host is in [192.168.1.0/24 192.168.2.0/24]; give it one") {
			t.Errorf("%+v", r)
		}
		h.mu.Lock()
		h.own = append(h.own, netip.MustParseAddr("192.168.2.9"))
		h.mu.Unlock()
		if r := <-p.Results(); !r.Passing || r.Source.String() != "192.168.2.9" || h.pairs[0] != "192.168.2.9 10.0.1.1" {
			t.Errorf("%+v, pinged %q", r, h.pairs)
		}
	})
}

// A probe that stays the same keeps its rhythm and its history; others begin
// anew, and those that are gone say nothing any more.
func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{fate: ErrNoAnswer}
		p := New(h)
		p.Set([]Probe{probe("a"), probe("b"), probe("c")})
		for range 3 * 3 {
			<-p.Results()
		}
		changed := probe("b")
		changed.Threshold = 2
		p.Set([]Probe{probe("a"), changed})
		rounds := map[string][]bool{}
		for range 4 {
			r := <-p.Results()
			rounds[r.Name] = append(rounds[r.Name], r.Decided)
		}
		if a := rounds["a"]; len(a) != 2 || !a[0] || !a[1] {
			t.Errorf("the one that stays is decided: %v", a)
		}
		if b := rounds["b"]; len(b) != 2 || b[0] || !b[1] {
			t.Errorf("the one that changed is decided: %v", b)
		}
		p.Close()
		p.Close() // twice is once
		select {
		case r := <-p.Results():
			t.Errorf("after the end there is %+v", r)
		case <-time.After(time.Minute):
		}
	})
}

// Many probes do not all send at the same time.
func TestProbesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		p := New(h)
		var want []Probe
		for i := range 100 {
			want = append(want, probe(string(rune('a'+i))))
		}
		p.Set(want)
		defer p.Close()
		for range want {
			<-p.Results()
		}
		early := 0
		for _, at := range h.sent {
			if at.Sub(h.sent[0]) < time.Second {
				early++
			}
		}
		if early > 50 {
			t.Errorf("%d of %d sent within a fifth of the interval", early, len(want))
		}
	})
}
