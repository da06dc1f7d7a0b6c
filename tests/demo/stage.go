package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

// stage is where the demo plays: the network, the gateway, its customer
// gateway, and a capture of all that passes between the two.
type stage struct {
	out     io.Writer
	bed     *netns.Bed
	capture *netns.Capture
	gateway *twin.Daemon
	peer    peer
	file    string // the gateway's configuration so far
}

const picture = `
  TomVPC 192.168.1.0/24                   the internet                  IDC 10.0.1.0/24
  host 192.168.1.10 --- TomVPNGw 203.195.147.82 --- router --- 202.108.22.5 --- host 10.0.1.1
`

func newStage(out io.Writer, peerName string) (*stage, error) {
	bed, err := netns.Build(netns.QuickStart())
	if err != nil {
		return nil, err
	}
	s := &stage{out: out, bed: bed}
	if err := s.furnish(peerName); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.say("%s\nThe customer gateway 202.108.22.5 is %s.", picture, s.peer.name())
	return s, nil
}

func (s *stage) furnish(peerName string) (err error) {
	if s.gateway, err = twin.New(s.bed.Gateway); err != nil {
		return err
	}
	if s.peer, err = newPeer(peerName, s.bed.Customer); err != nil {
		return err
	}
	s.capture, err = s.bed.Internet.Capture(append(s.bed.Sites.VPC.Networks(), s.bed.Sites.IDC.Networks()...)...)
	return err
}

// close takes everything down. What is missing was never built.
func (s *stage) close() error {
	var err error
	if s.capture != nil {
		_, err = s.capture.Stop()
	}
	if s.gateway != nil {
		err = errors.Join(err, s.gateway.Close())
	}
	if s.peer != nil {
		err = errors.Join(err, s.peer.close())
	}
	return errors.Join(err, s.bed.Close())
}

// logs is what the gateways had to say, for a demo that went wrong.
func (s *stage) logs() error {
	return fmt.Errorf("\nthe log of TomVPNGw:\n%s\nthe log of the customer gateway:\n%s", s.gateway.Log(), s.peer.log())
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// step announces one of the six steps.
func (s *stage) step(n int, what string) { s.say("\nStep %d: %s", n, what) }

// show prints lines as a file's, or a program's.
func (s *stage) show(prefix, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		s.say("    %s%s", prefix, strings.TrimRight(line, "\n"))
	}
}

// edit changes the gateway's file and shows the lines that are new.
func (s *stage) edit(text string) error {
	s.say("  twinspan.toml of TomVPNGw:")
	s.show("+ ", added(s.file, text))
	s.file = text
	return s.gateway.Configure(text)
}

// added are the lines of now that stand between those of before.
func added(before, now string) string {
	var lines strings.Builder
	old := strings.SplitAfter(before, "\n")
	for line := range strings.Lines(now) {
		if len(old) > 0 && line == old[0] {
			old = old[1:]
			continue
		}
		lines.WriteString(line)
	}
	return strings.Trim(lines.String(), "\n")
}

// reload has the gateway read its file again.
func (s *stage) reload(ctx context.Context) error {
	out, err := s.gateway.Reload(ctx)
	if err != nil {
		return err
	}
	s.say("  $ twinspan reload")
	s.show("", out)
	return nil
}

// silent checks that the VPC's host gets no answer from the IDC's, and that
// neither its pings nor anything else left the gateway.
func (s *stage) silent(ctx context.Context) error {
	e, err := s.ping(ctx, netns.Ping{Count: 2, Timeout: 300 * time.Millisecond})
	if !errors.Is(err, netns.ErrLost) || e.Received > 0 {
		return fmt.Errorf("the IDC's host should not answer yet: %v, %w", e, err)
	}
	seen := s.capture.Tally()
	s.say("  host of the VPC$ ping 10.0.1.1: %d of %d answered; outside were seen: %v", e.Received, e.Sent, seen)
	if seen.Clear+seen.Protected()+seen.IKE > 0 {
		return fmt.Errorf("nothing should have left the gateway yet, but outside were seen: %v", seen)
	}
	return nil
}

// ping pings the IDC's host from the VPC's.
func (s *stage) ping(ctx context.Context, p netns.Ping) (netns.Echo, error) {
	p.From, p.To = s.bed.Sites.VPC.Hosts[0].Addr(), s.bed.Sites.IDC.Hosts[0].Addr()
	return s.bed.VPC.Ping(ctx, p)
}
