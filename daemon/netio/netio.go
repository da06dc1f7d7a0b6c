// Package netio owns the UDP sockets of IKE: ports 500 and 4500, IPv4 and IPv6.
// It tells each datagram's local address, keeps IKE and ESP in UDP apart
// (RFC 3948 §2), and sends from the address it is told. It knows neither what
// an IKE message says nor what an SA is, and it does not log.
package netio

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
)

// The ports of IKE (RFC 2408 §2.5.1) and of IKE and ESP in UDP (RFC 3948).
const (
	PortIKE  = 500
	PortNATT = 4500
)

// defaultQueue is enough for the answers of a thousand peers at once.
const defaultQueue = 1024

// Datagram is one IKE message as it came, without the non-ESP marker. Local is
// the address that it was sent to and the port that it came in on: an answer
// goes out from there.
type Datagram struct {
	Local, Remote netip.AddrPort
	Data          []byte
}

// Options of Listen.
type Options struct {
	IKEPort, NATTPort uint16 // 0 is 500 and 4500
	KernelESP         bool   // the kernel takes ESP in UDP off the NAT-T port itself
	Queue             int    // datagrams that may wait in Packets; 0 is 1024
}

// Counters are what Serve did not pass on, since Listen.
type Counters struct {
	QueueFull  uint64 // IKE messages that found no room in Packets
	Malformed  uint64 // too short for what they claim to be
	Stray      uint64 // sent to a broadcast or multicast address
	Unwanted   uint64 // ESP in UDP while nobody takes it
	Keepalives uint64 // NAT keepalives (RFC 3948 §2.3), as they should be
}

// Sockets are the open ports. All methods are safe for concurrent use.
type Sockets struct {
	sockets []*socket
	packets chan Datagram
	pool    sync.Pool // of *message

	full, malformed, stray, unwanted, keepalives atomic.Uint64
}

// Packets delivers the IKE messages that Serve read. It is never closed.
func (s *Sockets) Packets() <-chan Datagram { return s.packets }

// Counters returns what was dropped, by reason.
func (s *Sockets) Counters() Counters {
	return Counters{
		QueueFull:  s.full.Load(),
		Malformed:  s.malformed.Load(),
		Stray:      s.stray.Load(),
		Unwanted:   s.unwanted.Load(),
		Keepalives: s.keepalives.Load(),
	}
}

// Dropped is the number of datagrams that were lost or refused: all of Counters
// but the keepalives.
func (s *Sockets) Dropped() uint64 {
	c := s.Counters()
	return c.QueueFull + c.Malformed + c.Stray + c.Unwanted
}

// Close closes the ports; a Serve that runs returns.
func (s *Sockets) Close() error {
	var errs []error
	for _, k := range s.sockets {
		errs = append(errs, k.conn.Close())
	}
	return errors.Join(errs...)
}
