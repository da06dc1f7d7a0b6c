package history

import (
	"math"
	"slices"
	"time"
)

// Total is what a subject did in some time.
type Total struct {
	From                                            time.Time
	Known                                           time.Duration // of how much of the time anything is known
	BytesIn, BytesOut, PacketsIn, PacketsOut, Drops float64
	Probed                                          time.Duration // of how much of it the health check says something
	Loss                                            float64       // the average of Probed, 0 to 1
	Delay                                           time.Duration // likewise
}

// BitsIn is the average in bits per second, over what is known.
func (t Total) BitsIn() float64 { return t.perSecond(8 * t.BytesIn) }

// BitsOut is BitsIn of the other direction.
func (t Total) BitsOut() float64 { return t.perSecond(8 * t.BytesOut) }

func (t Total) perSecond(n float64) float64 {
	if t.Known == 0 {
		return 0
	}
	return n / t.Known.Seconds()
}

// Spread is how a rate was spread over the steps that are known, in bits per
// second.
type Spread struct{ Average, P95, Peak float64 }

// Summary is a Total with the spread of its rates.
type Summary struct {
	Total
	In, Out Spread
}

// Subjects are those that there is a history of, sorted.
func (b *Book) Subjects() []Subject {
	var all []Subject
	for s := range b.lines {
		all = append(all, s)
	}
	slices.SortFunc(all, Subject.compare)
	return all
}

// Total adds up what a subject did from one time to another, in whole steps.
func (b *Book) Total(s Subject, from, to time.Time) Total {
	t := adder{Total: Total{From: from}}
	b.each(s, from, to, func(_ int64, p point) { t.add(p) })
	return t.total()
}

// Series cuts the time from one time to another into parts of the length each,
// which is a whole number of steps.
func (b *Book) Series(s Subject, from, to time.Time, each time.Duration) []Total {
	first, last, steps := stepOf(from), stepOf(to), max(int64(each/Step), 1)
	parts := make([]adder, max((last-first+steps-1)/steps, 0))
	for i := range parts {
		parts[i].From = time.Unix((first+int64(i)*steps)*int64(Step/time.Second), 0).UTC()
	}
	b.each(s, from, to, func(step int64, p point) { parts[(step-first)/steps].add(p) })
	series := make([]Total, len(parts))
	for i, p := range parts {
		series[i] = p.total()
	}
	return series
}

// Summary is Total with the spread.
func (b *Book) Summary(s Subject, from, to time.Time) Summary {
	t := adder{Total: Total{From: from}}
	var in, out []float64
	b.each(s, from, to, func(_ int64, p point) {
		t.add(p)
		in = append(in, 8*float64(p.BytesIn)/Step.Seconds())
		out = append(out, 8*float64(p.BytesOut)/Step.Seconds())
	})
	return Summary{t.total(), spread(in), spread(out)}
}

// each calls f for the steps of a subject that are known, oldest first.
func (b *Book) each(s Subject, from, to time.Time, f func(step int64, p point)) {
	l := b.lines[s]
	if l == nil {
		return
	}
	first, last := stepOf(from), stepOf(to)
	for _, pg := range l.pages {
		start := pg.number * pageSteps
		for i := max(first-start, 0); i < min(last-start, pageSteps); i++ {
			if pg.knows(i) {
				f(start+i, pg.at(i))
			}
		}
	}
}

// adder is a Total in the making.
type adder struct {
	Total
	lost, delay float64 // sums
}

func (a *adder) add(p point) {
	a.Known += Step
	a.BytesIn += float64(p.BytesIn)
	a.BytesOut += float64(p.BytesOut)
	a.PacketsIn += float64(p.PacketsIn)
	a.PacketsOut += float64(p.PacketsOut)
	a.Drops += float64(p.Drops)
	if p.probed() {
		a.Probed += Step
		a.lost += float64(p.Loss)
		a.delay += float64(p.Delay)
	}
}

func (a *adder) total() Total {
	if n := float64(a.Probed / Step); n > 0 {
		a.Loss = a.lost / n
		a.Delay = time.Duration(a.delay / n * float64(time.Second)).Round(time.Microsecond)
	}
	return a.Total
}

// spread sorts the rates. The percentile is the smallest rate that 95 of 100
// steps do not exceed (nearest rank).
func spread(rates []float64) Spread {
	n := len(rates)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(rates)
	var sum float64
	for _, r := range rates {
		sum += r
	}
	rank := int(math.Ceil(0.95 * float64(n)))
	return Spread{sum / float64(n), rates[rank-1], rates[n-1]}
}
