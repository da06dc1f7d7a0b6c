// Package history keeps what gateways and tunnels carried in the last 24 hours,
// in steps of ten seconds: bytes, packets, drops, and what their health checks
// found. It adds up, takes percentiles, and turns itself into bytes and back. It
// knows no clock and no file, neither tunnels nor gateways: subjects have a kind
// and a name, and whoever has counters gives them to it.
//
// A subject takes 28 bytes for each step in which it carried anything, at most
// 254 000; one that carries nothing takes 64 bytes an hour.
package history

import (
	"math"
	"slices"
	"time"
)

// Step is how long a point lasts, and Span how far back points are kept.
const (
	Step = 10 * time.Second
	Span = 24 * time.Hour
)

// The kinds of subjects.
const (
	Gateway = "vpn_gateway"
	Tunnel  = "vpn_tunnel"
)

// Subject is what has a history.
type Subject struct{ Kind, Name string }

// Reading is what a subject has counted since it began to count, and what its
// health check says now. A subject that is a part of another one, as a tunnel is
// of a gateway, counts for both; the whole has a Reading without counters.
type Reading struct {
	Of                                              Subject // zero for none
	BytesIn, BytesOut, PacketsIn, PacketsOut, Drops uint64
	Probe                                           *Probe // nil: nothing is known
}

// Probe is what a health check found.
type Probe struct {
	Loss  float64 // 0 to 1
	Delay time.Duration
}

// Book holds the histories of all subjects. One goroutine uses it.
type Book struct {
	lines map[Subject]*line
	last  int64 // the step in which readings were last taken, 0 before the first
}

// New is a Book without anything in it.
func New() *Book { return &Book{lines: map[Subject]*line{}} }

// lateSteps bounds over how many steps a late reading is spread, and keptSteps
// for how many a subject is remembered that is read no more.
const (
	lateSteps = 6
	keptSteps = 360
)

// stepOf is the number of the step that a time is in.
func stepOf(t time.Time) int64 { return t.Unix() / int64(Step/time.Second) }

// Due tells that a step has ended since readings were last taken.
func (b *Book) Due(now time.Time) bool { return stepOf(now) != b.last }

// Take enters what all subjects did up to now: the steps that have ended since it
// was called first, which begins the counting and enters nothing. Who is
// late gives the same to each step that it owes. When the clock was set back,
// what lies ahead of it is struck out.
func (b *Book) Take(now time.Time, readings map[Subject]Reading) {
	at := stepOf(now)
	if b.last == 0 {
		b.last = at // of the step that is over nothing is known
		return
	}
	owed := min(max(at-b.last, 1), lateSteps)
	parts := map[Subject][]point{}
	for s, r := range readings {
		l := b.line(s)
		p := r.since(l.base, owed)
		l.base = r
		parts[s] = append(parts[s], p)
		if _, read := readings[r.Of]; read {
			parts[r.Of] = append(parts[r.Of], p)
		}
	}
	for s, did := range parts {
		l := b.line(s)
		l.cut(at)
		for step := at - owed; step < at; step++ {
			l.add(step, sum(did))
		}
	}
	b.last = at
	b.forget(at)
}

// line is that of a subject, made if there is none.
func (b *Book) line(s Subject) *line {
	l := b.lines[s]
	if l == nil {
		l = &line{}
		b.lines[s] = l
	}
	return l
}

// forget drops subjects that were read no more for long: what was taken out of
// the configuration by mistake has its history when it is put back.
func (b *Book) forget(at int64) {
	for s, l := range b.lines {
		if at-l.end() > keptSteps {
			delete(b.lines, s)
		}
	}
}

// since is what was counted after o, in one of so many steps. Counters that went
// down have begun anew.
func (r Reading) since(o Reading, steps int64) point {
	grown := func(is, was uint64) float32 {
		if is < was {
			was = 0
		}
		return float32(float64(is-was) / float64(steps))
	}
	p := point{
		grown(r.BytesIn, o.BytesIn), grown(r.BytesOut, o.BytesOut),
		grown(r.PacketsIn, o.PacketsIn), grown(r.PacketsOut, o.PacketsOut), grown(r.Drops, o.Drops), unknown, unknown,
	}
	if r.Probe != nil {
		p.Loss, p.Delay = float32(r.Probe.Loss), float32(r.Probe.Delay.Seconds())
	}
	return p
}

// unknown is a measure that was not taken.
var unknown = float32(math.NaN())

// point is one step of one subject. Loss is from 0 to 1, Delay in seconds.
type point struct {
	BytesIn, BytesOut, PacketsIn, PacketsOut, Drops, Loss, Delay float32
}

// idle is a point of a subject that did nothing.
func (p point) idle() bool {
	return p.BytesIn == 0 && p.BytesOut == 0 && p.PacketsIn == 0 && p.PacketsOut == 0 && p.Drops == 0 && !p.probed()
}

// line is the history of one subject: its pages, oldest first.
type line struct {
	base  Reading
	pages []page
}

// A page is an hour. There is one more than the Span has, as the first and the
// last are seldom whole.
const (
	pageSteps = int64(time.Hour / Step)
	pagesKept = int(Span/time.Hour) + 1
)

// page is an hour of a subject. Without points it was idle whenever it is known.
type page struct {
	number int64
	known  [(pageSteps + 63) / 64]uint64 // a bit for each step
	points *[pageSteps]point
}

func (p *page) knows(i int64) bool { return p.known[i/64]>>(i%64)&1 == 1 }

// at is the point of a step of the page that is known.
func (p *page) at(i int64) point {
	if p.points == nil {
		return point{Loss: unknown, Delay: unknown}
	}
	return p.points[i]
}

// add enters a point, which is added to what the step has already.
func (l *line) add(step int64, p point) {
	pg, i := l.page(step/pageSteps), step%pageSteps
	if pg == nil {
		return
	}
	if pg.knows(i) {
		p = p.plus(pg.at(i))
	}
	pg.known[i/64] |= 1 << (i % 64)
	if pg.points == nil {
		if p.idle() {
			return
		}
		pg.points = emptyPoints()
	}
	pg.points[i] = p
}

// sum adds points up. Loss and delay are the average of those that have them.
func sum(points []point) point {
	total := point{Loss: unknown, Delay: unknown}
	var loss, delay, probed float32
	for _, p := range points {
		total = total.plus(p)
		if p.probed() {
			loss, delay, probed = loss+p.Loss, delay+p.Delay, probed+1
		}
	}
	if probed > 0 {
		total.Loss, total.Delay = loss/probed, delay/probed
	}
	return total
}

// probed tells that a health check says something.
func (p point) probed() bool { return p.Loss == p.Loss } // NaN is not

func (p point) plus(o point) point {
	p.BytesIn += o.BytesIn
	p.BytesOut += o.BytesOut
	p.PacketsIn += o.PacketsIn
	p.PacketsOut += o.PacketsOut
	p.Drops += o.Drops
	return p
}

func emptyPoints() *[pageSteps]point {
	all := new([pageSteps]point)
	for i := range all {
		all[i].Loss, all[i].Delay = unknown, unknown
	}
	return all
}

// page is the one of that number, made if it is newer than all there are; nil
// for an older one that there is not.
func (l *line) page(number int64) *page {
	if n := len(l.pages); n == 0 || l.pages[n-1].number < number {
		l.pages = append(l.pages, page{number: number})
		if len(l.pages) > pagesKept {
			l.pages = slices.Delete(l.pages, 0, 1)
		}
		return &l.pages[len(l.pages)-1]
	}
	for i := range l.pages {
		if l.pages[i].number == number {
			return &l.pages[i]
		}
	}
	return nil
}

// cut strikes out everything from a step on. What is left of the newest page is
// a copy: a snapshot may have the old one.
func (l *line) cut(step int64) {
	if len(l.pages) == 0 || l.end() <= step {
		return
	}
	for len(l.pages) > 0 && l.pages[len(l.pages)-1].number*pageSteps >= step {
		l.pages = l.pages[:len(l.pages)-1]
	}
	if len(l.pages) == 0 {
		return
	}
	p := &l.pages[len(l.pages)-1]
	for i := max(step-p.number*pageSteps, 0); i < pageSteps; i++ {
		p.known[i/64] &^= 1 << (i % 64)
	}
	if p.points != nil {
		points := *p.points
		p.points = &points
	}
}

// end is the step after the newest that is known, 0 where none is.
func (l *line) end() int64 {
	for _, p := range slices.Backward(l.pages) {
		for i := pageSteps; i > 0; i-- {
			if p.knows(i - 1) {
				return p.number*pageSteps + i
			}
		}
	}
	return 0
}
