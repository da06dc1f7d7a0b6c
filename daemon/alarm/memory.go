package alarm

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Standing is an alarm that fires, or is about to.
type Standing struct {
	Alarm    string               `json:"alarm"`
	Object   string               `json:"object,omitempty"`
	Began    time.Time            `json:"began"`
	Fired    bool                 `json:"fired"`
	Silenced bool                 `json:"silenced,omitempty"`
	Text     string               `json:"text,omitempty"`
	Told     map[string]time.Time `json:"told,omitempty"` // receivers, and when they were told last
}

// Memory is what outlives a restart.
type Memory struct {
	Standing []Standing `json:"standing,omitempty"`
	Silences []Silence  `json:"silences,omitempty"`
}

// Memory is what the judge would have to know to go on as it is. What does not
// fire yet begins anew after a restart.
func (j *Judge) Memory() Memory {
	fired := slices.DeleteFunc(j.Standing(), func(s Standing) bool { return !s.Fired })
	return Memory{fired, slices.Clone(j.silences)}
}

// Recall goes on from a memory: what fired is not told as new. Call it before
// SetRules, which forgets what no rule is for.
func (j *Judge) Recall(m Memory) {
	for _, s := range m.Standing {
		told := maps.Clone(s.Told)
		if told == nil {
			told = map[string]time.Time{}
		}
		j.cases[key{s.Alarm, s.Object}] = &matter{began: s.Began, fired: true, text: s.Text, told: told}
	}
	j.silences = m.Silences
}

// Standing are the alarms that fire or are about to, sorted.
func (j *Judge) Standing() []Standing {
	var all []Standing
	for k, m := range j.cases {
		if !m.began.IsZero() {
			all = append(all, Standing{k.alarm, k.object, m.began, m.fired, j.silenced(k), m.text, maps.Clone(m.told)})
		}
	}
	slices.SortFunc(all, func(a, b Standing) int { return strings.Compare(a.Alarm+"\x00"+a.Object, b.Alarm+"\x00"+b.Object) })
	return all
}

// Silences are those that have not ended.
func (j *Judge) Silences() []Silence { return slices.Clone(j.silences) }

// Rules are those that are judged by.
func (j *Judge) Rules() []Rule { return j.rules }

// Silence keeps notices back until s ends. One for the same alarm and object
// takes the place of that before; one that has ended takes it away.
func (j *Judge) Silence(now time.Time, s Silence) {
	j.silences = slices.DeleteFunc(j.silences, func(o Silence) bool { return o.Alarm == s.Alarm && o.Object == s.Object })
	if now.Before(s.Until) {
		j.silences = append(j.silences, s)
	}
}
