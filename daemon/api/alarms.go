package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Alarms are the alarm policies, what fires, and what was told to whom.
type Alarms struct {
	Version   int           `json:"version"`
	Time      time.Time     `json:"time"`
	Policies  []AlarmPolicy `json:"policies"`
	Receivers []Receiver    `json:"receivers"`
	Standing  []Alarm       `json:"standing"` // those that fire, and those that are about to
	Silences  []Silence     `json:"silences"`
	History   []Told        `json:"history"` // newest last
	Waiting   int           `json:"waiting"` // notices that are not delivered yet
	Lost      uint64        `json:"lost"`    // that never will be: too many, or too old
}

// AlarmPolicy is one policy as it is configured.
type AlarmPolicy struct {
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	Condition string   `json:"condition"`
	Threshold float64  `json:"threshold,omitempty"`
	Unit      string   `json:"unit,omitempty"` // of the threshold, "" where there is none
	ForSecond int64    `json:"for_seconds"`
	Objects   []string `json:"objects,omitempty"` // absent for all
	Receivers []string `json:"receivers"`
}

// Receiver is who alarms are told to.
type Receiver struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Where string `json:"where"` // without a secret
}

// Alarm is a condition that holds.
type Alarm struct {
	Alarm    string    `json:"alarm"`
	Object   string    `json:"object,omitempty"` // absent for the host as a whole
	Since    time.Time `json:"since"`
	Firing   bool      `json:"firing"` // long enough to be told
	Silenced bool      `json:"silenced,omitempty"`
	Text     string    `json:"text,omitempty"`
}

// Silence keeps notices back until it ends.
type Silence struct {
	Alarm  string    `json:"alarm,omitempty"`  // absent for all
	Object string    `json:"object,omitempty"` // absent for all
	Until  time.Time `json:"until"`
}

// Told is a notice and what became of it.
type Told struct {
	Time      time.Time `json:"time"`
	Alarm     string    `json:"alarm"`
	Object    string    `json:"object,omitempty"`
	Event     string    `json:"event"` // "firing", "resolved"
	Receiver  string    `json:"receiver"`
	Text      string    `json:"text"`
	Delivered time.Time `json:"delivered,omitzero"`
	Error     string    `json:"error,omitempty"` // of the last try
}

// Tested says that a receiver took a test notice.
type Tested struct {
	Version  int     `json:"version"`
	Receiver string  `json:"receiver"`
	Took     float64 `json:"took_seconds"`
}

// longestSilence is four weeks: a silence is for work that is under way.
const longestSilence = 28 * 24 * time.Hour

func (s *Server) alarms(w http.ResponseWriter, r *http.Request) {
	doc, err := s.daemon.Alarms(r.Context())
	answer(w, doc, err)
}

func (s *Server) testReceiver(r *http.Request) (any, error) {
	begun, name := time.Now(), r.PathValue("name")
	err := s.daemon.TestReceiver(r.Context(), name)
	return Tested{Schema, name, time.Since(begun).Seconds()}, err
}

// silence reads what is meant from the query: alarm, object, and seconds, 0 to
// take it away.
func (s *Server) silence(r *http.Request) (any, error) {
	q := r.URL.Query()
	seconds, err := strconv.ParseInt(q.Get("seconds"), 10, 64)
	if err != nil || seconds < 0 || seconds > int64(longestSilence/time.Second) {
		return nil, &Error{Code: BadRequest, Message: fmt.Sprintf("no silence of %q seconds; write 0 to %d", q.Get("seconds"), int64(longestSilence/time.Second))}
	}
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	return s.daemon.Silence(r.Context(), Silence{Alarm: q.Get("alarm"), Object: q.Get("object"), Until: until})
}
