package alarm_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// watch is a judge and a clock.
type watch struct {
	*testing.T
	*alarm.Judge
	now time.Time
}

func watching(t *testing.T, rules ...alarm.Rule) *watch {
	w := &watch{t, alarm.NewJudge(), noon}
	if due := w.SetRules(noon, rules); len(due) != 0 {
		t.Errorf("rules alone tell %v", due)
	}
	return w
}

// down is the rule of most stories: told after a minute, and each hour.
func down() alarm.Rule {
	return alarm.Rule{Name: "down", Type: alarm.Tunnel, Condition: alarm.State, For: time.Minute,
		Receivers: []alarm.Receiver{{Name: "ops", Repeat: time.Hour, Resolved: true}}}
}

func tunnel(name string, up bool) alarm.Sample {
	s := alarm.Sample{Type: alarm.Tunnel, Name: name, Up: up, State: "up"}
	if !up {
		s.State, s.Reason = "negotiating", "the peer does not answer"
	}
	return s
}

// pass goes on for a time in steps of a second, with the same samples, and tells
// what was due and when, as "after 1m0s: firing ops t".
func (w *watch) pass(d time.Duration, samples ...alarm.Sample) []string {
	return w.see(d, alarm.Observation{Samples: samples})
}

func (w *watch) see(d time.Duration, o alarm.Observation) []string {
	var told []string
	for passed := time.Duration(0); passed < d; passed += time.Second {
		for _, n := range w.Step(w.now, o) {
			told = append(told, fmt.Sprintf("%v %s %s %s", passed, n.Event, n.Receiver, n.Object))
		}
		w.now = w.now.Add(time.Second)
	}
	return told
}

func (w *watch) want(got []string, want ...string) {
	w.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		w.Errorf("it told %q, want %q", got, want)
	}
}

func TestATunnelGoesDownAndComesBack(t *testing.T) {
	w := watching(t, down())
	w.want(w.pass(time.Hour, tunnel("t", true)))
	w.want(w.pass(59*time.Second, tunnel("t", false)))
	w.want(w.pass(10*time.Second, tunnel("t", true))) // it was too short
	w.want(w.pass(3*time.Hour, tunnel("t", false)), "1m0s firing ops t", "1h1m0s repeated ops t", "2h1m0s repeated ops t")
	w.want(w.pass(time.Hour, tunnel("t", true)), "0s resolved ops t")
}

// A notice says what is wrong, since when, and how long it lasted.
func TestWhatANoticeSays(t *testing.T) {
	w := watching(t, down())
	w.pass(time.Minute, tunnel("a 100%d", false))
	n := w.Step(w.now, alarm.Observation{Samples: []alarm.Sample{tunnel("a 100%d", false)}})[0]
	if n.Text != `tunnel "a 100%d" is negotiating: the peer does not answer` || !n.Began.Equal(noon) || n.Subject() != "[firing] down: tunnel a 100%d" {
		t.Errorf("%+v, %s", n, n.Subject())
	}
	n = w.Step(w.now.Add(time.Second), alarm.Observation{Samples: []alarm.Sample{tunnel("a 100%d", true)}})[0]
	if n.Text != `tunnel "a 100%d" is up; it lasted 1m1s` || n.Event != alarm.Resolved || !n.Began.Equal(noon) {
		t.Errorf("%+v", n)
	}
}

func TestObjectsThatAnAlarmIsFor(t *testing.T) {
	r := down()
	r.Objects = []string{"a"}
	w := watching(t, r)
	w.want(w.pass(2*time.Minute, tunnel("a", false), tunnel("b", false)), "1m0s firing ops a")
	resting := tunnel("a", false)
	resting.Resting = true
	w.want(w.pass(time.Minute, resting), "0s resolved ops a") // an operator took it down
	w.want(w.pass(2*time.Minute, tunnel("a", false)), "1m0s firing ops a")
	w.want(w.pass(time.Minute, tunnel("b", false)), "0s resolved ops a") // it is not configured any more
}

// Every condition, just before and just beyond its threshold, and back.
func TestConditions(t *testing.T) {
	sample := func(set func(*alarm.Sample)) alarm.Sample {
		s := tunnel("t", true)
		s.Rated, s.Probing, s.Probed, s.Tier = true, true, true, 10
		set(&s)
		return s
	}
	in := func(v float64) alarm.Sample { return sample(func(s *alarm.Sample) { s.In, s.Out = v, v/2 }) }
	loss := func(v float64) alarm.Sample { return sample(func(s *alarm.Sample) { s.Loss = v }) }
	delay := func(v float64) alarm.Sample { return sample(func(s *alarm.Sample) { s.Delay = v }) }
	failures := func(n int) alarm.Sample { return sample(func(s *alarm.Sample) { s.Failures = n; s.Up = false }) }
	for _, c := range []struct {
		condition               alarm.Condition
		threshold               float64
		good, bad, close, clear alarm.Sample // close to the threshold is not over yet
	}{
		{alarm.TrafficAbove, 10, in(10), in(10.1), in(9.5), in(9)},
		{alarm.TrafficBelow, 10, in(10), in(9.9), in(10.5), in(11)},
		{alarm.ShareAbove, 80, in(8), in(8.1), in(7.5), in(7)},
		{alarm.LossAbove, 20, loss(20), loss(25), loss(19), loss(15)},
		{alarm.DelayAbove, 200, delay(200), delay(201), delay(190), delay(150)},
		{alarm.Negotiation, 3, failures(2), failures(3), failures(4), failures(0)},
	} {
		t.Run(string(c.condition), func(t *testing.T) {
			r := down()
			r.Condition, r.Threshold = c.condition, c.threshold
			w := watching(t, r)
			w.want(w.pass(time.Hour, c.good))
			w.want(w.pass(2*time.Minute, c.bad), "1m0s firing ops t")
			w.want(w.pass(10*time.Minute, c.close))
			w.want(w.pass(10*time.Minute, c.clear), "0s resolved ops t")
			if c.condition == alarm.Negotiation {
				return
			}
			unknown := c.bad
			unknown.Rated, unknown.Probed = false, false
			w.want(w.pass(time.Hour, unknown))
			w.want(w.pass(2*time.Minute, c.bad), "1m0s firing ops t")
			w.want(w.pass(2*time.Hour, unknown)) // neither over nor repeated: nothing is known
		})
	}
}

func TestFlapping(t *testing.T) {
	r := alarm.Rule{Name: "flaps", Type: alarm.Tunnel, Condition: alarm.Flapping, Threshold: 4, Window: 10 * time.Minute,
		Receivers: []alarm.Receiver{{Name: "ops", Resolved: true}}}
	w := watching(t, r)
	for range 20 { // each of its changes is alone in its window
		w.want(w.pass(11*time.Minute, tunnel("t", true)))
		w.want(w.pass(11*time.Minute, tunnel("t", false)))
	}
	w.want(w.pass(11*time.Minute, tunnel("t", true)))
	w.want(w.pass(time.Minute, tunnel("t", false)))
	w.want(w.pass(time.Minute, tunnel("t", true)))
	w.want(w.pass(time.Minute, tunnel("t", false)))
	w.want(w.pass(9*time.Minute, tunnel("t", true)), "0s firing ops t", "7m1s resolved ops t")
}

func TestFailoverAndConfiguration(t *testing.T) {
	gateway := func(n uint64) alarm.Sample {
		return alarm.Sample{Type: alarm.Gateway, Name: "g", Failovers: n, Resting: false}
	}
	ops := []alarm.Receiver{{Name: "ops", Resolved: true}}
	w := watching(t,
		alarm.Rule{Name: "over", Type: alarm.Gateway, Condition: alarm.Failover, Threshold: 1, Window: 10 * time.Minute, Receivers: ops},
		alarm.Rule{Name: "config", Type: alarm.Gateway, Condition: alarm.BadConfig, Receivers: ops})
	w.want(w.pass(time.Hour, gateway(7)))
	w.want(w.pass(time.Hour, gateway(8)), "0s firing ops g", "10m1s resolved ops g")
	w.want(w.see(time.Minute, alarm.Observation{BadConfig: "edge.toml:41: no"}), "0s firing ops ")
	w.want(w.see(time.Minute, alarm.Observation{}), "0s resolved ops ")
}

// A silence keeps notices back. What still fires when it ends is told then; what
// was told before is told to be over.
func TestSilences(t *testing.T) {
	w := watching(t, down())
	w.Silence(w.now, alarm.Silence{Object: "a", Until: w.now.Add(time.Hour)})
	w.want(w.pass(time.Hour, tunnel("a", false), tunnel("b", false)), "1m0s firing ops b")
	w.want(w.pass(time.Second, tunnel("a", false), tunnel("b", false)), "0s firing ops a")
	w.Silence(w.now, alarm.Silence{Until: w.now.Add(time.Hour)})
	w.want(w.pass(50*time.Minute, tunnel("a", false), tunnel("b", true)), "0s resolved ops b")
	w.Silence(w.now, alarm.Silence{Until: w.now}) // taken away
	if len(w.Silences()) != 0 {
		t.Errorf("silences %v", w.Silences())
	}
}

// Each receiver has its own pace, and may want no word of the end.
func TestReceivers(t *testing.T) {
	r := down()
	r.Receivers = append(r.Receivers, alarm.Receiver{Name: "am", Repeat: time.Minute, Resolved: true}, alarm.Receiver{Name: "once"})
	w := watching(t, r)
	w.want(w.pass(3*time.Minute, tunnel("t", false)), "1m0s firing am t", "1m0s firing once t", "1m0s firing ops t", "2m0s repeated am t")
	w.want(w.pass(time.Minute, tunnel("t", true)), "0s resolved am t", "0s resolved ops t")
}

// A reload that takes an alarm out ends it; one that adds a receiver tells that one.
func TestRulesChange(t *testing.T) {
	w := watching(t, down())
	w.pass(2*time.Minute, tunnel("t", false))
	r := down()
	r.Receivers = append(r.Receivers, alarm.Receiver{Name: "new"})
	if due := w.SetRules(w.now, []alarm.Rule{r}); len(due) != 0 {
		t.Errorf("due %v", due)
	}
	w.want(w.pass(time.Minute, tunnel("t", false)), "0s firing new t")
	due := w.SetRules(w.now, nil)
	if len(due) != 1 || due[0].Event != alarm.Resolved || !strings.Contains(due[0].Text, "was changed or taken out") {
		t.Errorf("due %v", due)
	}
}

// What fires is not told anew after a restart, and its end is.
func TestRestart(t *testing.T) {
	w := watching(t, down())
	w.pass(2*time.Minute, tunnel("t", false))
	w.Silence(w.now, alarm.Silence{Alarm: "other", Until: w.now.Add(time.Hour)})
	data, err := json.Marshal(w.Memory())
	if err != nil {
		t.Fatal(err)
	}
	var memory alarm.Memory
	if err := json.Unmarshal(data, &memory); err != nil {
		t.Fatal(err)
	}
	again := &watch{t, alarm.NewJudge(), w.now}
	again.Recall(memory)
	if due := again.SetRules(again.now, []alarm.Rule{down()}); len(due) != 0 {
		t.Errorf("due %v", due)
	}
	if !reflect.DeepEqual(again.Memory(), memory) || len(again.Silences()) != 1 {
		t.Errorf("it recalls %+v, want %+v", again.Memory(), memory)
	}
	again.want(again.pass(10*time.Minute, tunnel("t", false)))
	again.want(again.pass(time.Minute, tunnel("t", true)), "0s resolved ops t")
}
