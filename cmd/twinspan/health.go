package main

import (
	"fmt"

	"github.com/twinspan/twinspan/daemon/api"
)

// deadPeer says what is done to find out whether the peer lives.
func deadPeer(d api.DPD) string {
	if d.DelaySecond == 0 {
		return d.Action
	}
	return fmt.Sprintf("asked after %d s of silence, dead after %d s without an answer, then %s", d.DelaySecond, d.TimeoutSecond, d.Action)
}

// ping says what the health check of a tunnel has found, "" without one.
func ping(p *api.Probe) string {
	switch {
	case p == nil:
		return ""
	case p.Error != "":
		return printable(p.Error)
	case p.Source == "":
		return p.Target + ", not sent yet"
	}
	found := "no answer yet"
	switch {
	case p.Passing == nil && p.RTT > 0:
		found = "the last ones got no answer"
	case p.Passing != nil && *p.Passing:
		found = fmt.Sprintf("answers in %.1f ms", p.RTT)
	case p.Passing != nil:
		found = "does not answer"
	}
	return fmt.Sprintf("%s from %s: %s, %.0f %% lost", p.Target, p.Source, found, 100*p.Loss)
}
