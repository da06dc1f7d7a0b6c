package main

import (
	"testing"

	"github.com/twinspan/twinspan/daemon/api"
)

func TestPing(t *testing.T) {
	yes, no := true, false
	for want, p := range map[string]*api.Probe{
		"":                       nil,
		"10.0.1.1, not sent yet": {Target: "10.0.1.1"},
		"10.0.1.1 from 192.168.1.1: answers in 1.2 ms, 5 % lost":               {Target: "10.0.1.1", Source: "192.168.1.1", Passing: &yes, RTT: 1.234, Loss: 0.05},
		"10.0.1.1 from 192.168.1.1: does not answer, 100 % lost":               {Target: "10.0.1.1", Source: "192.168.1.1", Passing: &no, Loss: 1},
		"10.0.1.1 from 192.168.1.1: no answer yet, 100 % lost":                 {Target: "10.0.1.1", Source: "192.168.1.1", Loss: 1},
		"10.0.1.1 from 192.168.1.1: the last ones got no answer, 10 % lost":    {Target: "10.0.1.1", Source: "192.168.1.1", RTT: 1, Loss: 0.1},
		"no address of this host is in 192.168.1.0/24; give it one, and so on": {Target: "10.0.1.1", Error: "no address of this host is in 192.168.1.0/24; give it one, and so on"},
	} {
		if got := ping(p); got != want {
			t.Errorf("%+v is told as %q, want %q", p, got, want)
		}
	}
}
