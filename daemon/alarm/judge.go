package alarm

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Judge holds observations against rules. One goroutine calls its methods.
type Judge struct {
	rules    []Rule
	cases    map[key]*matter
	silences []Silence
}

// key is what a matter is of.
type key struct{ alarm, object string }

// matter is what a rule knows of an object.
type matter struct {
	began   time.Time // since when the condition holds, zero while it does not
	fired   bool
	text    string
	told    map[string]time.Time // the receivers that know, and when they were told last
	changes []time.Time          // within the window
	last    *mark
}

// mark is what changes are seen by.
type mark struct {
	up        bool
	failovers uint64
}

// NewJudge returns a judge without rules.
func NewJudge() *Judge { return &Judge{cases: map[key]*matter{}} }

// SetRules replaces the rules. What fired by a rule, or for a receiver, that is no
// more is over for those who are still there to be told.
func (j *Judge) SetRules(now time.Time, rules []Rule) []Notice {
	var due []Notice
	for k, m := range j.cases {
		old, is := find(j.rules, k.alarm), find(rules, k.alarm)
		switch {
		case is == nil || old != nil && (old.Type != is.Type || old.Condition != is.Condition):
			if old != nil {
				due = append(due, m.resolve(now, *old, k.object, "is not watched any more: the alarm policy was changed or taken out")...)
			}
			delete(j.cases, k)
		default:
			for name := range m.told {
				if !slices.ContainsFunc(is.Receivers, func(r Receiver) bool { return r.Name == name }) {
					delete(m.told, name)
				}
			}
		}
	}
	j.rules = rules
	return sorted(due)
}

func find(rules []Rule, name string) *Rule {
	if i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name }); i >= 0 {
		return &rules[i]
	}
	return nil
}

// Step takes what is observed now, and returns the notices that are due.
func (j *Judge) Step(now time.Time, o Observation) []Notice {
	j.silences = slices.DeleteFunc(j.silences, func(s Silence) bool { return !now.Before(s.Until) })
	var due []Notice
	seen := map[key]bool{}
	for _, r := range j.rules {
		for object, f := range j.findings(now, r, o) {
			k := key{r.Name, object}
			seen[k] = true
			due = append(due, j.decide(now, r, k, f)...)
		}
	}
	for k, m := range j.cases {
		if seen[k] {
			continue
		}
		if r := find(j.rules, k.alarm); r != nil {
			due = append(due, m.resolve(now, *r, k.object, "is not configured any more")...)
		}
		delete(j.cases, k)
	}
	return sorted(due)
}

// findings are what a rule finds, by object.
func (j *Judge) findings(now time.Time, r Rule, o Observation) map[string]finding {
	if r.Condition == BadConfig {
		if o.BadConfig == "" {
			return map[string]finding{"": {known: true, clear: true, text: "the configuration in the files is in force"}}
		}
		return map[string]finding{"": {known: true, holds: true, text: "the configuration was refused, the former one is in force: " + o.BadConfig}}
	}
	all := map[string]finding{}
	for _, s := range o.Samples {
		if s.Type == r.Type && (len(r.Objects) == 0 || slices.Contains(r.Objects, s.Name)) {
			m := j.matter(key{r.Name, s.Name})
			m.note(now, r, s)
			all[s.Name] = r.measure(s, len(m.changes))
		}
	}
	return all
}

func (j *Judge) matter(k key) *matter {
	m := j.cases[k]
	if m == nil {
		m = &matter{told: map[string]time.Time{}}
		j.cases[k] = m
	}
	return m
}

// note keeps the changes that a rule counts. Where an operator or a lack of
// traffic took a tunnel down, that is none.
func (m *matter) note(now time.Time, r Rule, s Sample) {
	if !Traits[r.Condition].Window {
		return
	}
	m.changes = recent(m.changes, now, r.Window)
	if s.Resting {
		m.last = nil
		return
	}
	is := &mark{s.Up, s.Failovers}
	changed := m.last != nil && (r.Condition == Flapping && m.last.up != is.up || r.Condition == Failover && m.last.failovers != is.failovers)
	if changed && len(m.changes) < mostChanges {
		m.changes = append(m.changes, now)
	}
	m.last = is
}

// mostChanges bounds what is kept of changes; no threshold is higher.
const mostChanges = 1000

// decide says what is due of one object.
func (j *Judge) decide(now time.Time, r Rule, k key, f finding) []Notice {
	m := j.matter(k)
	switch {
	case !f.known:
		if !m.fired {
			m.began = time.Time{}
		}
		return nil
	case m.fired && f.clear:
		return m.resolve(now, r, k.object, f.text)
	case !m.fired && !f.holds:
		m.began = time.Time{}
		return nil
	case m.began.IsZero():
		m.began = now
	}
	if now.Sub(m.began) < r.For {
		return nil
	}
	m.fired = true
	if f.holds {
		m.text = f.text
	}
	if j.silenced(k) {
		return nil
	}
	return m.tell(now, r, k.object)
}

// tell gives notice to the receivers that do not know, and to those that want to
// hear it again.
func (m *matter) tell(now time.Time, r Rule, object string) []Notice {
	var due []Notice
	for _, to := range r.Receivers {
		event := Firing
		if last, knows := m.told[to.Name]; knows {
			if to.Repeat == 0 || now.Sub(last) < to.Repeat {
				continue
			}
			event = Repeated
		}
		m.told[to.Name] = now
		due = append(due, m.notice(now, r, to, object, event, m.text))
	}
	return due
}

// resolve ends an alarm, and tells those who know of it.
func (m *matter) resolve(now time.Time, r Rule, object, text string) []Notice {
	var due []Notice
	if m.fired {
		for _, to := range r.Receivers {
			if _, knows := m.told[to.Name]; knows && to.Resolved {
				due = append(due, m.notice(now, r, to, object, Resolved, fmt.Sprintf("%s; it lasted %v", text, now.Sub(m.began).Round(time.Second))))
			}
		}
	}
	m.fired, m.began, m.text = false, time.Time{}, ""
	clear(m.told)
	return due
}

func (m *matter) notice(now time.Time, r Rule, to Receiver, object string, e Event, text string) Notice {
	if object != "" {
		text = fmt.Sprintf("%s %q %s", r.Type.Noun(), object, text)
	}
	return Notice{Receiver: to.Name, Alarm: r.Name, Type: r.Type, Object: object, Condition: r.Condition, Event: e, Text: text, Began: plain(m.began), Time: plain(now)}
}

// plain is a time as it comes back from a file.
func plain(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// sorted puts notices in an order that does not depend on that of a map.
func sorted(due []Notice) []Notice {
	slices.SortStableFunc(due, func(a, b Notice) int {
		return strings.Compare(a.Alarm+"\x00"+a.Object+"\x00"+a.Receiver, b.Alarm+"\x00"+b.Object+"\x00"+b.Receiver)
	})
	return due
}

func (j *Judge) silenced(k key) bool {
	return slices.ContainsFunc(j.silences, func(s Silence) bool { return s.covers(k.alarm, k.object) })
}
