package alarm

import (
	"fmt"
	"time"
)

// slack is how far, in parts of the threshold, a value must come back over it
// before an alarm is over: a value that hovers makes one alarm, not many.
const slack = 0.1

// finding is what a rule finds in a sample.
type finding struct {
	known bool // without it nothing changes
	holds bool // the condition does
	clear bool // it is over, also for one that fired
	text  string
}

// measure holds a sample against a rule. The changes are those within the window.
func (r Rule) measure(s Sample, changes int) finding {
	if s.Resting && r.Condition != Failover || Traits[r.Condition].Probed && !s.Probing {
		return finding{known: true, clear: true, text: stateText(s)}
	}
	switch r.Condition {
	case State:
		return finding{known: true, holds: !s.Up, clear: s.Up, text: stateText(s)}
	case TrafficAbove:
		return r.above(s.Rated, max(s.In, s.Out), "carries %.2f Mbit/s")
	case TrafficBelow:
		return r.below(s.Rated, max(s.In, s.Out), "carries %.2f Mbit/s")
	case ShareAbove:
		if s.Tier == 0 {
			return finding{}
		}
		return r.above(s.Rated, 100*max(s.In, s.Out)/s.Tier, "uses %.0f %% of its bandwidth")
	case LossAbove:
		return r.above(s.Probed, s.Loss, "loses %.0f %% of the pings")
	case DelayAbove:
		return r.above(s.Probed, s.Delay, "answers after %.1f ms")
	case Negotiation:
		return counted(s.Failures, r.Threshold, "has failed to negotiate", "times in a row"+because(s.Reason))
	case Flapping:
		return counted(changes, r.Threshold, "went up or down", "times in "+r.Window.String())
	case Failover:
		return counted(changes, r.Threshold, "changed its host", "times in "+r.Window.String())
	}
	return finding{}
}

func (r Rule) above(known bool, v float64, text string) finding {
	return finding{known: known, holds: v > r.Threshold, clear: v <= r.Threshold*(1-slack), text: r.limitText(v, text, "more")}
}

func (r Rule) below(known bool, v float64, text string) finding {
	return finding{known: known, holds: v < r.Threshold, clear: v >= r.Threshold*(1+slack), text: r.limitText(v, text, "less")}
}

func (r Rule) limitText(v float64, format, than string) string {
	return fmt.Sprintf(format, v) + fmt.Sprintf("; the alarm is for %s than %g %s", than, r.Threshold, Traits[r.Condition].Unit)
}

func counted(n int, threshold float64, did, often string) finding {
	holds := float64(n) >= threshold
	return finding{known: true, holds: holds, clear: !holds, text: fmt.Sprintf("%s %d %s", did, n, often)}
}

func stateText(s Sample) string { return "is " + s.State + because(s.Reason) }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// recent drops the times that left the window.
func recent(times []time.Time, now time.Time, window time.Duration) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) > window {
		times = times[1:]
	}
	return times
}
