package hostile

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/twinspan/twinspan/tests/netns"
)

// What the victim must hold.
const (
	leastDatagrams = 30000
	mostShare      = 0.10     // bytes out to bytes in, of all cases together
	mostOfCase     = 1.0      // of each
	mostPeak       = 16 << 20 // of memory above what it had before
	mostLeft       = 8 << 20  // of it when all is over
	mostLog        = 100 << 10
	mostConnecting = 3 * time.Second // for a good peer in the midst of a flood
)

// seeds are those of this run: one, or as many as $TWINSPAN_HOSTILE_SEEDS says.
func seeds(t *testing.T) int {
	text := os.Getenv("TWINSPAN_HOSTILE_SEEDS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("TWINSPAN_HOSTILE_SEEDS: %v", err)
	}
	return n
}

// All that anybody can send: the victim lives, answers with less than it gets,
// accepts nothing that it must not, keeps neither memory nor log, and serves its
// good peers all the while.
func TestHostile(t *testing.T) {
	netns.NeedRoot(t)
	if netns.InVM() {
		t.Skip("it takes minutes there, and has nothing to do with the kernel")
	}
	for seed := 1; seed <= seeds(t); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { run(t, seed) })
	}
}

// row is what one case did.
type row struct {
	*attack
	tally
	connecting time.Duration
}

func run(t *testing.T, seed int) {
	cases := slices.Concat(outside, cves, inside, aggressive, floods, mustNot)
	s, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("the victim's log:\n%s", tail(s.victim.Log(), 60))
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	watch, err := s.watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]row, len(cases))
	for n, c := range cases {
		rows[n].attack = newAttack(s, n, seed, c)
		t.Run(c.Name, func(t *testing.T) { rows[n].goes(t) })
		if err := s.alive(); err != nil {
			t.Fatalf("after %q: %v", c.Name, err)
		}
	}
	watch.judge(t, s)
	for n := range rows { // at the end: something may come long after the question
		rows[n].add(s.wire.sum(rows[n].is))
	}
	t.Logf("seed %d\n%s", seed, render(rows))
	judge(t, rows)
}

// goes runs the case.
func (r *row) goes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.t = t
	before := r.wire.sum(isForged)
	if r.flood {
		r.connecting = r.during(ctx, func() { r.run(r.attack) })
	} else {
		r.run(r.attack)
	}
	r.must(r.settle(ctx))
	r.tally = r.wire.sum(isForged)
	r.add(tally{-before.datagrams, -before.in, -before.answers, -before.out})
	r.must(r.goodPasses(ctx))
}

// judge holds the rows against what they must be.
func judge(t *testing.T, rows []row) {
	var all tally
	for _, r := range rows {
		all.add(r.tally)
		if float64(r.out) > mostOfCase*float64(r.in) {
			t.Errorf("%s: %d bytes are answered with %d", r.Name, r.in, r.out)
		}
		if len(r.taken) > 0 {
			t.Errorf("%s: the victim accepted %s", r.Name, strings.Join(r.taken, ", "))
		}
		if r.connecting > mostConnecting {
			t.Errorf("%s: a good peer took %v to connect", r.Name, r.connecting)
		}
	}
	if all.datagrams < leastDatagrams {
		t.Errorf("only %d datagrams were sent", all.datagrams)
	}
	if float64(all.out) > mostShare*float64(all.in) {
		t.Errorf("%d bytes in all are answered with %d", all.in, all.out)
	}
}

// render is the table of what was sent and what came back.
func render(rows []row) string {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.AppendHeader(table.Row{"case", "datagrams", "bytes in", "bytes out", "ratio", ""})
	var all tally
	for _, r := range rows {
		all.add(r.tally)
		note := ""
		if r.flood {
			note = fmt.Sprintf("a good peer connects in %v", r.connecting.Round(time.Millisecond))
		}
		w.AppendRow(table.Row{r.Name, r.datagrams, r.in, r.out, r.ratio(), note})
	}
	w.AppendFooter(table.Row{"all", all.datagrams, all.in, all.out, all.ratio(), ""})
	return w.Render()
}

func (t tally) ratio() string { return fmt.Sprintf("%.3f", float64(t.out)/float64(max(t.in, 1))) }

// watch is what the victim was before the attack.
type watch struct {
	memory, log int
	good        string
}

func (s *stage) watch(ctx context.Context) (w watch, err error) {
	if w.memory, err = s.memory("VmRSS"); err != nil {
		return w, err
	}
	w.log = len(s.victim.Log())
	if w.good, err = s.goodIs(ctx); err != nil {
		return w, err
	}
	return w, s.forgetPeak()
}

// judge holds the victim against what it was.
func (w watch) judge(t *testing.T, s *stage) {
	t.Helper()
	peak, err := s.memory("VmHWM")
	if err != nil {
		t.Fatal(err)
	}
	if grown := len(s.victim.Log()) - w.log; grown > mostLog {
		t.Errorf("the log grew by %d bytes", grown)
	}
	if good, err := s.goodIs(t.Context()); err != nil || good != w.good {
		t.Errorf("the good tunnel was\n%sand is\n%s, %v", w.good, good, err)
	}
	if peak-w.memory > mostPeak {
		t.Errorf("the victim had %d KiB of memory, and at the worst %d", w.memory>>10, peak>>10)
	}
	begun := time.Now()
	left, err := s.recovers(t.Context(), w.memory+mostLeft)
	if err != nil {
		t.Error(err)
	}
	t.Logf("memory: %d KiB before, %d at the worst, %d in the end (%v after); log: %d bytes more",
		w.memory>>10, peak>>10, left>>10, time.Since(begun).Round(time.Second), len(s.victim.Log())-w.log)
}

// recovers waits until the victim has let go of its memory. Half-open sessions
// last half a minute, quick modes without an end two.
func (s *stage) recovers(ctx context.Context, most int) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 150*time.Second)
	defer cancel()
	err = netns.Until(ctx, func() error {
		var err error
		if left, err = s.memory("VmRSS"); err == nil && left > most {
			err = fmt.Errorf("the victim still has %d KiB of memory, more than %d", left>>10, most>>10)
		}
		return err
	})
	return left, err
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
