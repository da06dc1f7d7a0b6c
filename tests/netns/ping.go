package netns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Ping is a series of echo requests.
type Ping struct {
	From, To netip.Addr
	Count    int           // 0: one
	Size     int           // bytes of payload
	Interval time.Duration // between requests; 0: as fast as the answers come
	Timeout  time.Duration // for each answer; 0: a second, with Patience
}

// Echo is how a Ping went.
type Echo struct {
	Sent, Received int
	RTT            time.Duration // the mean of those received
}

// Lost is the number of requests without an answer.
func (e Echo) Lost() int { return e.Sent - e.Received }

func (e Echo) String() string {
	return fmt.Sprintf("%d sent, %d received, mean %v", e.Sent, e.Received, e.RTT.Round(10*time.Microsecond))
}

// ErrLost says that not every request of a Ping was answered.
var ErrLost = errors.New("echo requests were lost")

// Ping sends the series and waits for each answer. Missing answers are
// ErrLost, other errors say that it could not be done.
func (s *Space) Ping(ctx context.Context, p Ping) (Echo, error) {
	conn, err := s.icmp(p.From)
	if err != nil {
		return Echo{}, fmt.Errorf("ping in namespace %s: %w", s.Name, err)
	}
	defer conn.Close()
	if p.Timeout == 0 {
		p.Timeout = Patience(time.Second)
	}
	var e Echo
	var total time.Duration
	id := rand.IntN(1 << 16) // others may ping from the same address
	for seq := range max(1, p.Count) {
		if seq > 0 && p.Interval > 0 {
			time.Sleep(p.Interval) // the series is meant to take its time
		}
		if err := ctx.Err(); err != nil {
			return e, err
		}
		e.Sent++
		rtt, err := p.once(conn, id, seq)
		switch {
		case err == nil:
			e.Received++
			total += rtt
			e.RTT = total / time.Duration(e.Received)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return e, fmt.Errorf("ping %s from namespace %s: %w", p.To, s.Name, err)
		}
	}
	if e.Lost() > 0 {
		return e, fmt.Errorf("ping %s from %s: %v: %w", p.To, p.From, e, ErrLost)
	}
	return e, nil
}

// icmp opens a raw socket bound to an address of the namespace.
func (s *Space) icmp(from netip.Addr) (conn net.PacketConn, err error) {
	network := "ip4:icmp"
	if from.Is6() {
		network = "ip6:ipv6-icmp"
	}
	err = s.Do(func() error {
		conn, err = net.ListenPacket(network, from.String())
		return err
	})
	return conn, err
}

// once sends one request and waits for its answer.
func (p Ping) once(conn net.PacketConn, id, seq int) (time.Duration, error) {
	request, answer, protocol := icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply), 1
	if p.From.Is6() {
		request, answer, protocol = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	message, err := (&icmp.Message{Type: request, Body: &icmp.Echo{ID: id, Seq: seq, Data: make([]byte, p.Size)}}).Marshal(nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := conn.SetReadDeadline(start.Add(p.Timeout)); err != nil {
		return 0, err
	}
	to := &net.IPAddr{IP: p.To.AsSlice()}
	if _, err := conn.WriteTo(message, to); err != nil {
		return 0, err
	}
	for buf := make([]byte, 65536); ; {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return 0, err
		}
		m, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || m.Type != answer || from.String() != to.String() {
			continue
		}
		if echo, ok := m.Body.(*icmp.Echo); ok && echo.ID == id && echo.Seq == seq && len(echo.Data) == p.Size {
			return time.Since(start), nil
		}
	}
}
