package monitor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"time"

	probing "github.com/prometheus-community/pro-bing"
)

// ErrNoAnswer says that an echo request was not answered, or did not get away.
var ErrNoAnswer = errors.New("no answer")

func unanswered(err error) bool { return errors.Is(err, ErrNoAnswer) }

// Linux is the machine that the process runs on.
type Linux struct{}

// Ping sends over a raw socket, which takes CAP_NET_RAW. The daemon has it; the
// ping sockets of the others depend on net.ipv4.ping_group_range, which is
// empty on many hosts.
func (Linux) Ping(ctx context.Context, source, target netip.Addr, timeout time.Duration) (time.Duration, error) {
	p := probing.New(target.String())
	p.SetPrivileged(true)
	p.Source, p.Count, p.Timeout, p.Interval = source.String(), 1, timeout, timeout
	p.RecordTTLs = false
	var refused error
	giveUp := func(err error) {
		refused = err
		runtime.Goexit() // of the goroutine that sends
	}
	p.OnSendError = func(_ *probing.Packet, err error) { giveUp(err) }
	p.SetLogger(stopper{giveUp: func() { giveUp(syscall.EACCES) }})
	if err := p.RunWithContext(ctx); err != nil {
		return 0, err
	}
	switch s := p.Statistics(); {
	case refused != nil && !isRefusal(refused):
		return 0, refused
	case s.PacketsRecv == 0:
		return 0, ErrNoAnswer
	default:
		return s.AvgRtt, nil
	}
}

// stopper ends what the library would not: when a packet is prohibited it takes
// the target for a broadcast address, logs that, and sends again without end.
type stopper struct {
	probing.NoopLogger
	giveUp func()
}

// Infof implements probing.Logger.
func (s stopper) Infof(string, ...any) { s.giveUp() }

// isRefusal tells errors that a packet gets from the way it would go: there is
// no SA for it, the guard holds it, or the route is down.
func isRefusal(err error) bool {
	for _, e := range []error{
		syscall.EPERM, syscall.EACCES, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENOBUFS, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Addresses are those of the network namespace.
func (Linux) Addresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, addr.Unmap())
			}
		}
	}
	return all, nil
}
