// Package alarm judges what is observed of tunnels and gateways by the rules of
// alarm policies, and says which notices are due: that something is wrong, that
// it still is, that it is over. It knows neither where observations come from
// nor how a notice reaches anybody; the time is an argument.
package alarm

import (
	"fmt"
	"strings"
	"time"
)

// Type is what an alarm policy watches.
type Type string

// The types.
const (
	Tunnel  Type = "vpn_tunnel"
	Gateway Type = "vpn_gateway"
)

// Noun is what messages call an object of the type.
func (t Type) Noun() string {
	if t == Gateway {
		return "VPN gateway"
	}
	return "tunnel"
}

// Condition is what a rule looks for.
type Condition string

// The conditions.
const (
	State        Condition = "state"               // not up, though it should be
	TrafficAbove Condition = "traffic_above"       // Mbit/s, in either direction
	TrafficBelow Condition = "traffic_below"       // Mbit/s, in both directions
	ShareAbove   Condition = "share_above"         // per cent of the gateway's tier, in either direction
	LossAbove    Condition = "loss_above"          // per cent of the health check's pings
	DelayAbove   Condition = "delay_above"         // milliseconds of the health check's pings
	Flapping     Condition = "flapping"            // so many changes within the window
	Negotiation  Condition = "negotiation_failing" // so many failures in a row
	Failover     Condition = "failover"            // so many within the window
	BadConfig    Condition = "bad_configuration"   // the last reload was refused
)

// Trait is what a condition needs.
type Trait struct {
	Types     []Type
	Unit      string  // of the threshold, "" where there is none
	Threshold float64 // by default; 0: it must be written
	Counted   bool    // the threshold is a whole number
	Window    bool    // it counts within one
	Probed    bool    // it needs a health check
}

// Traits are those of every condition.
var Traits = map[Condition]Trait{
	State:        {Types: []Type{Tunnel, Gateway}},
	TrafficAbove: {Types: []Type{Tunnel, Gateway}, Unit: "Mbit/s"},
	TrafficBelow: {Types: []Type{Tunnel, Gateway}, Unit: "Mbit/s"},
	ShareAbove:   {Types: []Type{Tunnel, Gateway}, Unit: "%", Threshold: 80},
	LossAbove:    {Types: []Type{Tunnel}, Unit: "%", Threshold: 20, Probed: true},
	DelayAbove:   {Types: []Type{Tunnel}, Unit: "ms", Probed: true},
	Flapping:     {Types: []Type{Tunnel}, Unit: "changes", Threshold: 4, Counted: true, Window: true},
	Negotiation:  {Types: []Type{Tunnel}, Unit: "failures", Threshold: 3, Counted: true},
	Failover:     {Types: []Type{Gateway}, Unit: "failovers", Threshold: 1, Counted: true, Window: true},
	BadConfig:    {Types: []Type{Gateway}},
}

// Conditions are the words in the order of the documentation.
var Conditions = []Condition{State, TrafficAbove, TrafficBelow, ShareAbove, LossAbove, DelayAbove, Flapping, Negotiation, Failover, BadConfig}

// Rule is one alarm policy.
type Rule struct {
	Name      string
	Type      Type
	Condition Condition
	Threshold float64
	For       time.Duration // it must hold that long before anybody is told
	Window    time.Duration // that changes are counted in
	Objects   []string      // empty for all of the type
	Receivers []Receiver
}

// Receiver is who is to be told, and how often.
type Receiver struct {
	Name     string
	Repeat   time.Duration // while it lasts, 0 for once
	Resolved bool          // wants to hear when it is over
}

// Reminder is how often a receiver must hear of an alarm that forgets what it
// does not hear of.
const Reminder = time.Minute

// String is all of a rule but its name.
func (r Rule) String() string {
	s := fmt.Sprintf("%s %s", r.Type, r.Condition)
	if t := Traits[r.Condition]; t.Unit != "" {
		s += fmt.Sprintf(" %g %s", r.Threshold, t.Unit)
	}
	if Traits[r.Condition].Window {
		s += fmt.Sprintf(" in %v", r.Window)
	}
	s += fmt.Sprintf(" for %v, objects %s, told to", r.For, objects(r.Objects))
	for _, to := range r.Receivers {
		s += fmt.Sprintf(" %s (repeated %v, resolved %v)", to.Name, to.Repeat, to.Resolved)
	}
	return s
}

func objects(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ", ")
}

// Observation is what is known at one moment.
type Observation struct {
	Samples   []Sample
	BadConfig string // why the last reload was refused, "" when it was not
}

// Sample is what is known of one tunnel or gateway.
type Sample struct {
	Type      Type
	Name      string
	State     string // in words
	Up        bool
	Resting   bool   // it is not up, and nobody wants it to be
	Reason    string // why it is not up
	In, Out   float64
	Rated     bool    // In and Out, in Mbit/s, are known
	Tier      float64 // of the gateway in Mbit/s, 0 where there is none
	Loss      float64 // in per cent
	Delay     float64 // in milliseconds
	Probing   bool    // it has a health check
	Probed    bool    // and Loss and Delay are known
	Failures  int     // of negotiations, in a row
	Failovers uint64  // since the start; of gateways
}

// Event is what a notice tells.
type Event string

// The events.
const (
	Firing   Event = "firing"
	Repeated Event = "repeated" // it still fires
	Resolved Event = "resolved"
	Test     Event = "test" // nothing happened: somebody wants to see it arrive
)

// Notice is one thing to tell one receiver.
type Notice struct {
	Receiver  string    `json:"receiver"`
	Alarm     string    `json:"alarm"`
	Type      Type      `json:"type"`
	Object    string    `json:"object,omitempty"` // "" for the whole host
	Condition Condition `json:"condition"`
	Event     Event     `json:"event"`
	Text      string    `json:"text"`
	Began     time.Time `json:"began"` // when the condition began to hold
	Time      time.Time `json:"time"`  // of this notice
}

// Subject is the notice in a few words.
func (n Notice) Subject() string {
	s := fmt.Sprintf("[%s] %s", n.Event, n.Alarm)
	if n.Object != "" {
		s += fmt.Sprintf(": %s %s", n.Type.Noun(), n.Object)
	}
	return s
}

// Same tells whether two notices are about the same alarm of the same object,
// to the same receiver.
func (n Notice) Same(o Notice) bool {
	return n.Receiver == o.Receiver && n.Alarm == o.Alarm && n.Object == o.Object
}

// Silence keeps notices back until it ends.
type Silence struct {
	Alarm  string    `json:"alarm,omitempty"`  // "" for all
	Object string    `json:"object,omitempty"` // "" for all
	Until  time.Time `json:"until"`
}

func (s Silence) covers(alarm, object string) bool {
	return (s.Alarm == "" || s.Alarm == alarm) && (s.Object == "" || s.Object == object)
}

// String is "alarm X, object Y, until 2026-03-04 12:00:00 UTC".
func (s Silence) String() string {
	var parts []string
	if s.Alarm != "" {
		parts = append(parts, "alarm "+s.Alarm)
	}
	if s.Object != "" {
		parts = append(parts, "object "+s.Object)
	}
	if len(parts) == 0 {
		parts = append(parts, "all alarms")
	}
	return strings.Join(parts, ", ") + ", until " + s.Until.UTC().Format("2006-01-02 15:04:05 MST")
}
