package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// Flood is a stream of echo requests at a fixed rate, whether answers come or
// not. Each is accounted for.
type Flood struct {
	to                 netip.Addr
	id                 int
	conn               net.PacketConn
	begun              time.Time
	cease              context.CancelFunc
	sending, receiving sync.WaitGroup

	mu       sync.Mutex
	answered []bool // by the number of the request
	sent     []time.Duration
	err      error
}

// Account is how a Flood went.
type Account struct {
	Sent int
	Lost []time.Duration // when each request without an answer was sent, from the beginning
}

func (a Account) String() string {
	if len(a.Lost) == 0 {
		return fmt.Sprintf("%d sent, none lost", a.Sent)
	}
	shown := a.Lost[:min(len(a.Lost), 20)]
	return fmt.Sprintf("%d sent, %d lost, first at %v", a.Sent, len(a.Lost), shown)
}

// Flood begins a stream of so many requests a second. IPv4 only.
func (s *Space) Flood(from, to netip.Addr, rate int) (*Flood, error) {
	conn, err := s.icmp(from)
	if err != nil {
		return nil, fmt.Errorf("flood in namespace %s: %w", s.Name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Flood{to: to, id: rand.IntN(1 << 16), conn: conn, begun: time.Now(), cease: cancel}
	f.sending.Go(func() { f.send(ctx, time.Second/time.Duration(rate)) })
	f.receiving.Go(f.receive)
	return f, nil
}

// send sends one request a beat until it is to end. Beats that a busy machine
// missed are not made up for: they would come in one burst, and what a full queue
// of this host drops of that is no gateway's doing.
func (f *Flood) send(ctx context.Context, beat time.Duration) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := f.request(); err != nil {
			f.fail(err)
			return
		}
	}
}

// request sends one. Its number is in the data: the protocol's own has 16 bits.
func (f *Flood) request() error {
	f.mu.Lock()
	number := len(f.sent)
	f.sent, f.answered = append(f.sent, time.Since(f.begun)), append(f.answered, false)
	f.mu.Unlock()
	body := &icmp.Echo{ID: f.id, Seq: number & 0xffff, Data: binary.BigEndian.AppendUint64(make([]byte, 0, 64), uint64(number))[:64]}
	message, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: body}).Marshal(nil)
	if err != nil {
		return err
	}
	_, err = f.conn.WriteTo(message, &net.IPAddr{IP: f.to.AsSlice()})
	return err
}

// receive marks what is answered, until the deadline that Stop sets.
func (f *Flood) receive() {
	buf := make([]byte, 2048)
	for {
		n, _, err := f.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			f.fail(err)
			return
		}
		m, err := icmp.ParseMessage(1, buf[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		if echo, ok := m.Body.(*icmp.Echo); ok && echo.ID == f.id && len(echo.Data) == 64 {
			f.mark(binary.BigEndian.Uint64(echo.Data))
		}
	}
}

func (f *Flood) mark(number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number < uint64(len(f.answered)) {
		f.answered[number] = true
	}
}

func (f *Flood) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, fmt.Errorf("flood of %s: %w", f.to, err))
}

// account is how it went so far.
func (f *Flood) account() Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := Account{Sent: len(f.sent)}
	for number, at := range f.sent {
		if !f.answered[number] {
			a.Lost = append(a.Lost, at)
		}
	}
	return a
}

// Stop ends the stream, and waits for the last answers.
func (f *Flood) Stop() (Account, error) {
	f.cease()
	f.sending.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), Patience(time.Second))
	defer cancel()
	_ = Until(ctx, func() error { // what is missing then is lost
		if a := f.account(); len(a.Lost) > 0 {
			return ErrLost
		}
		return nil
	})
	err := f.conn.SetReadDeadline(time.Now())
	f.receiving.Wait()
	err = errors.Join(err, f.conn.Close())
	return f.account(), errors.Join(err, f.err)
}
