package netns

import (
	"testing"
	"time"
)

// Every request is accounted for: none is lost while the far host is there, and
// while it is away those that were sent then, and no others.
func TestAFloodCountsEveryRequest(t *testing.T) {
	b := ForTest(t, QuickStart())
	gateway := b.Sites.VPC.inside()[0].Addr()
	f, err := b.VPC.Flood(vpcHost, gateway, 200)
	if err != nil {
		t.Fatal(err)
	}
	pause(300 * time.Millisecond)
	ignore := func(value string) time.Duration {
		if err := b.Gateway.Sysctl("ipv4/icmp_echo_ignore_all", value); err != nil {
			t.Fatal(err)
		}
		return time.Since(f.begun)
	}
	away := ignore("1")
	pause(200 * time.Millisecond)
	back := ignore("0")
	pause(300 * time.Millisecond)
	a, err := f.Stop()
	if err != nil || a.Sent < 100 {
		t.Errorf("%v, %v; want 160 sent", a, err)
	}
	if n := len(a.Lost); n < 20 || n > 60 {
		t.Errorf("%v; want 40 lost", a)
	}
	const slack = 50 * time.Millisecond // between a request and what we did to the gateway
	for _, at := range a.Lost {
		if at < away-slack || at > back+slack {
			t.Errorf("lost at %v, the gateway was away from %v to %v", at, away, back)
		}
	}
}

// pause lets a stream go on for a while.
func pause(d time.Duration) { <-time.After(d) }
