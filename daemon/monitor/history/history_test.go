package history

import (
	"math"
	"testing"
	"time"
	"unsafe"
)

var (
	noon    = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	tunnel  = Subject{Tunnel, "TomVPNConn"}
	gateway = Subject{Gateway, "TomVPNGw"}
)

// scribe takes the readings of one tunnel, step after step.
type scribe struct {
	book *Book
	now  time.Time
	r    Reading
}

func newScribe(at time.Time) *scribe {
	s := &scribe{book: New(), now: at}
	s.take()
	return s
}

func (s *scribe) take() { s.book.Take(s.now, map[Subject]Reading{tunnel: s.r}) }

// carry lets so many bytes come in during one step.
func (s *scribe) carry(bytes uint64) {
	s.now = s.now.Add(Step)
	s.r.BytesIn += bytes
	s.r.PacketsIn += bytes / 1000
	s.take()
}

func (s *scribe) total(back time.Duration) Total {
	return s.book.Total(tunnel, s.now.Add(-back), s.now)
}

func TestWhatIsCarriedIsAddedUp(t *testing.T) {
	s := newScribe(noon)
	for range 6 {
		s.carry(1_250_000) // 1 Mbit/s
	}
	got := s.total(time.Minute)
	if got.BytesIn != 7_500_000 || got.PacketsIn != 7500 || got.Known != time.Minute || got.BitsIn() != 1e6 || got.BitsOut() != 0 {
		t.Errorf("a minute is %+v, %v bit/s", got, got.BitsIn())
	}
	if got := s.total(20 * time.Second); got.BytesIn != 2_500_000 || got.Known != 20*time.Second {
		t.Errorf("its last 20 s are %+v", got)
	}
	if got := s.total(time.Hour); got.Known != time.Minute {
		t.Errorf("of the hour %v are known, want the minute", got.Known)
	}
	if got := s.book.Total(gateway, noon, s.now); got.Known != 0 || got.BitsIn() != 0 {
		t.Errorf("of what there is not: %+v", got)
	}
}

func TestWhatTheHealthCheckFound(t *testing.T) {
	s := newScribe(noon)
	for _, p := range []*Probe{nil, {Loss: 0.5, Delay: 10 * time.Millisecond}, {Loss: 0, Delay: 20 * time.Millisecond}} {
		s.r.Probe = p
		s.carry(0)
	}
	got := s.total(30 * time.Second)
	if got.Probed != 20*time.Second || got.Loss != 0.25 || got.Delay != 15*time.Millisecond || got.Known != 30*time.Second {
		t.Errorf("%+v", got)
	}
}

func TestALateReadingIsSpread(t *testing.T) {
	for _, tc := range []struct {
		late  time.Duration
		steps int
	}{{Step, 1}, {30 * time.Second, 3}, {time.Hour, lateSteps}} {
		s := newScribe(noon)
		s.carry(0)
		s.now = s.now.Add(tc.late - Step)
		s.carry(600)
		if got := s.total(time.Duration(tc.steps) * Step); got.BytesIn != 600 || got.Known != time.Duration(tc.steps)*Step {
			t.Errorf("%v late: the last %d steps have %+v", tc.late, tc.steps, got)
		}
		if got := s.total(Step); math.Round(got.BytesIn) != float64(600/tc.steps) {
			t.Errorf("%v late: the last step has %v bytes", tc.late, got.BytesIn)
		}
	}
}

func TestCountersThatBeginAnew(t *testing.T) {
	s := newScribe(noon)
	s.carry(5000)
	s.r = Reading{} // the tunnel was taken out of the configuration and put back
	s.carry(700)
	if got := s.total(Step); got.BytesIn != 700 {
		t.Errorf("%v bytes, want the 700 since then", got.BytesIn)
	}
}

func TestTheClockIsSetBack(t *testing.T) {
	s := newScribe(noon)
	for range 720 {
		s.carry(1000)
	}
	kept := s.book.Snapshot()
	s.now = s.now.Add(-90 * time.Minute)
	s.carry(5)
	if got := s.total(time.Hour); got.Known != 30*time.Minute+Step { // up to the one that has just ended
		t.Errorf("%v are known", got.Known)
	}
	if got := s.book.Total(tunnel, s.now, s.now.Add(2*time.Hour)); got.Known != 0 {
		t.Errorf("of the future %v are known", got.Known)
	}
	s.carry(7)
	if got := s.total(Step); got.BytesIn != 7 {
		t.Errorf("then a step has %v bytes", got.BytesIn)
	}
	if got := kept.Total(tunnel, noon, noon.Add(2*time.Hour)); got.BytesIn != 720_000 {
		t.Errorf("a snapshot of before changed with it: %v", got.BytesIn)
	}
}

func TestADayIsKeptAndNoMore(t *testing.T) {
	s := newScribe(noon)
	for range int(30 * time.Hour / Step) {
		s.carry(1000)
	}
	if got := s.total(Span); got.Known != Span || got.BytesIn != 1000*float64(Span/Step) {
		t.Errorf("of a day %v are known, %v bytes", got.Known, got.BytesIn)
	}
	if got := s.total(48 * time.Hour); got.Known > Span+time.Hour {
		t.Errorf("%v are kept", got.Known)
	}
	if n := len(s.book.lines[tunnel].pages); n != pagesKept {
		t.Errorf("%d pages, want %d", n, pagesKept)
	}
}

func TestWhoCarriesNothingTakesLittle(t *testing.T) {
	s := newScribe(noon)
	for range int(Span / Step) {
		s.carry(0)
	}
	for _, p := range s.book.lines[tunnel].pages {
		if p.points != nil {
			t.Fatal("an idle hour has points")
		}
	}
	if got := s.total(Span); got.Known != Span || got.BytesIn != 0 {
		t.Errorf("%+v, want a day that is known to be idle", got)
	}
}

func TestASubjectThatIsGone(t *testing.T) {
	s := newScribe(noon)
	s.carry(1000)
	others := map[Subject]Reading{gateway: {}}
	s.book.Take(s.now.Add(30*time.Minute), others)
	if got := s.total(Step); got.BytesIn != 1000 {
		t.Error("half an hour later it is forgotten")
	}
	s.book.Take(s.now.Add(2*time.Hour), others)
	if all := s.book.Subjects(); len(all) != 1 || all[0] != gateway {
		t.Errorf("two hours later there are %v", all)
	}
}

func TestSeries(t *testing.T) {
	s := newScribe(noon)
	for i := range 12 {
		s.carry(uint64(i) * 100)
	}
	parts := s.book.Series(tunnel, noon.Add(-time.Minute), noon.Add(2*time.Minute), 30*time.Second)
	want := []float64{0, 0, 300, 1200, 2100, 3000}
	if len(parts) != len(want) {
		t.Fatalf("%d parts", len(parts))
	}
	for i, p := range parts {
		if p.BytesIn != want[i] || !p.From.Equal(noon.Add(time.Duration(i-2)*30*time.Second)) {
			t.Errorf("part %d: from %v, %v bytes, want %v", i, p.From, p.BytesIn, want[i])
		}
	}
	if parts[0].Known != 0 {
		t.Error("before there was anything nothing is known")
	}
}

func TestTheSpreadOfARate(t *testing.T) {
	s := newScribe(noon.Add(-Step))
	for i := range 100 {
		s.carry(uint64(i+1) * 1_250) // 1 to 100 kbit/s
	}
	got := s.book.Summary(tunnel, s.now.Add(-1000*time.Second), s.now)
	if got.In != (Spread{50_500, 95_000, 100_000}) || got.Out != (Spread{}) {
		t.Errorf("in %v, out %v", got.In, got.Out)
	}
	if got := New().Summary(tunnel, noon, s.now); got.In != (Spread{}) {
		t.Errorf("of nothing: %v", got.In)
	}
}

func TestDue(t *testing.T) {
	b := New()
	if !b.Due(noon) {
		t.Error("the first reading is not due")
	}
	b.Take(noon, nil)
	if b.Due(noon.Add(9 * time.Second)) {
		t.Error("due before the step has ended")
	}
	if !b.Due(noon.Add(Step)) || !b.Due(noon.Add(-time.Second)) {
		t.Error("not due at the next step, or when the clock was set back")
	}
}

// What tunnels do their gateway does, also when one of them is taken out of the
// configuration, and its counts with it.
func TestAWholeAndItsParts(t *testing.T) {
	other := Subject{Tunnel, "shanghai"}
	b := New()
	b.Take(noon, map[Subject]Reading{gateway: {}, tunnel: {Of: gateway}, other: {Of: gateway}})
	b.Take(noon.Add(Step), map[Subject]Reading{gateway: {},
		tunnel: {Of: gateway, BytesIn: 1000, Probe: &Probe{Loss: 1, Delay: time.Second}}, other: {Of: gateway, BytesIn: 5000, Probe: &Probe{}}})
	if got := b.Total(gateway, noon, noon.Add(Step)); got.BytesIn != 6000 || got.Loss != 0.5 || got.Delay != 500*time.Millisecond {
		t.Errorf("both did %+v", got)
	}
	b.Take(noon.Add(2*Step), map[Subject]Reading{gateway: {}, other: {Of: gateway, BytesIn: 5001}})
	if got := b.Total(gateway, noon.Add(Step), noon.Add(2*Step)); got.BytesIn != 1 {
		t.Errorf("then the one that is left did %v, want 1", got.BytesIn)
	}
	b.Take(noon.Add(3*Step), map[Subject]Reading{gateway: {}})
	if got := b.Total(gateway, noon, noon.Add(3*Step)); got.BytesIn != 6001 || got.Known != 3*Step {
		t.Errorf("without any %+v", got)
	}
}

// The manual says how much memory a tunnel takes.
func TestWhatASubjectTakes(t *testing.T) {
	busy := pagesKept * (int(unsafe.Sizeof(page{})) + int(pageSteps)*int(unsafe.Sizeof(point{})))
	if busy > 254_000 {
		t.Errorf("%d bytes, more than the manual says", busy)
	}
	if idle := unsafe.Sizeof(page{}); idle > 64 {
		t.Errorf("an idle hour takes %d bytes", idle)
	}
}
