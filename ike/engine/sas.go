package engine

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
	"github.com/twinspan/twinspan/xfrm"
)

// standing is an SA that was asked for and has not been removed, and who owns
// it: the session that negotiates it, then the tunnel. Peers choose the SPIs
// that we send with, so two SAs may have the same.
type standing struct {
	dst     netip.Addr
	session *session
	member  *member
	next    *standing // with the same SPI, older
}

// newSPI draws an inbound SPI that nobody has.
func (e *Engine) newSPI() uint32 {
	for {
		var b [4]byte
		_, _ = io.ReadFull(e.env.Rand, b[:]) // ike.Env's chance never fails
		spi := binary.BigEndian.Uint32(b[:])
		if spi < xfrm.MinSPI || e.sas[spi] != nil || e.spoken[spi] != nil {
			continue
		}
		if s := e.running; s != nil {
			e.spoken[spi] = s
			s.spis = append(s.spis, spi)
		}
		return spi
	}
}

// installed notes who owns an SA. The newest of an SPI is the first.
func (e *Engine) installed(s *session, sa xfrm.SA) {
	if sa.Dir == xfrm.In {
		e.takeBack(s, sa.SPI)
	}
	e.removed(sa.SPI, sa.Dst)
	e.sas[sa.SPI] = &standing{dst: sa.Dst, session: s, next: e.sas[sa.SPI]}
}

// takeBack ends the time in which an SPI is handed out and not installed.
func (e *Engine) takeBack(s *session, spi uint32) {
	if e.spoken[spi] != s {
		return
	}
	delete(e.spoken, spi)
	s.spis = slices.DeleteFunc(s.spis, func(own uint32) bool { return own == spi })
}

// removed forgets an SA; one that is not there is no error.
func (e *Engine) removed(spi uint32, dst netip.Addr) {
	var last *standing
	for st := e.sas[spi]; st != nil; last, st = st, st.next {
		if st.dst != dst {
			continue
		}
		switch {
		case last != nil:
			last.next = st.next
		case st.next != nil:
			e.sas[spi] = st.next
		default:
			delete(e.sas, spi)
		}
		return
	}
}

func (e *Engine) standing(spi uint32, dst netip.Addr) *standing {
	for st := e.sas[spi]; st != nil; st = st.next {
		if st.dst == dst {
			return st
		}
	}
	return nil
}

// handedOver makes both SAs of a child the tunnel's.
func (e *Engine) handedOver(m *member, c ike.ChildSA) {
	for _, id := range []xfrm.SAID{{SPI: c.SPIIn, Dst: c.Local.Addr()}, {SPI: c.SPIOut, Dst: c.Remote.Addr()}} {
		if st := e.standing(id.SPI, id.Dst); st != nil {
			st.session, st.member = nil, m
		}
	}
}

// failed finds whose SA did not get into the data plane. Failed does not say
// which way the SA points; of two with the same SPI it is the one that was just
// asked for.
func (e *Engine) failed(in ike.Failed) {
	st := e.sas[in.SPI]
	switch {
	case st == nil:
	case st.session != nil:
		e.drive(st.session, in)
	default:
		e.tell(st.member, tunnel.InstallFailed{SPI: in.SPI, Err: in.Err})
	}
}

// used tells the session that negotiates an inbound SA, or the tunnel that owns
// it, that the peer sends on it. To the tunnel's session it is a sign of life.
func (e *Engine) used(in ike.Used) {
	e.release(func(h handover) bool { return h.spiIn == in.SPI && !h.due.IsZero() })
	for st := e.sas[in.SPI]; st != nil; st = st.next {
		switch {
		case st.member != nil && st.dst == st.member.Peer().Local:
			m := st.member
			if s := m.established(); s != nil {
				e.drive(s, in)
			}
			e.tell(m, tunnel.Used{SPI: in.SPI})
			return
		case st.session != nil && st.dst == st.session.addrs.local:
			e.drive(st.session, in)
			return
		}
	}
}

// sent tells the tunnel that packets go out on its SA.
func (e *Engine) sent(in ike.Sent) {
	if st := e.standing(in.SPI, in.Dst); st != nil {
		e.tellMember(st.member, tunnel.Sent(in))
	}
}

// errGone is why a quick mode fails whose SA did not outlive it.
var errGone = errors.New("it was gone before the quick mode was done")

// limitReached tells the tunnel that an SA is to be replaced or gone, or the
// session that still negotiates it.
func (e *Engine) limitReached(in ike.LimitReached) {
	st := e.standing(in.SPI, in.Dst)
	switch {
	case st == nil:
	case st.session != nil && in.Hard:
		e.drive(st.session, ike.Failed{SPI: in.SPI, Err: errGone})
	case st.session != nil:
	case in.Hard:
		e.tell(st.member, tunnel.Expired{SPI: in.SPI, Dst: in.Dst})
	default:
		e.tell(st.member, tunnel.SoftLimit{SPI: in.SPI, Dst: in.Dst})
	}
}
