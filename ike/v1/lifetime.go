package v1

import (
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// setLife sets when the session ends, and when this end begins the one that
// replaces it.
func (s *Session) setLife(life time.Duration) {
	s.status.Expires = s.status.Established.Add(life)
	s.status.Renew = s.renewal(life)
}

// renewal is so early before the end that main mode has time for its resends,
// earlier for whoever began, so that both ends seldom begin at once, and earlier
// still by chance, so that many tunnels do not. A peer behind a translator that
// began is not reached by a first message of ours: it has to begin itself.
func (s *Session) renewal(life time.Duration) time.Time {
	if s.superseded || s.nat.there && !s.initiator {
		return zeroTime
	}
	margin := max(life/20, 5*time.Second)
	if s.initiator {
		margin = max(life/10, 10*time.Second)
	}
	margin = min(margin, life/2)
	earlier := margin / 2 * time.Duration(s.random(make([]byte, 1))[0]) / 255
	return s.status.Expires.Add(-margin - earlier)
}

// changed tells that the status of the session is another one.
func (s *Session) changed() {
	status := s.status
	s.report(ike.Report{Kind: ike.SessionChanged, Session: &status})
}

// tellLife tells the initiator, once, that our lifetime is shorter than what it
// offered (RFC 2407 §4.6.3.1), in an exchange of its own, as Cisco does: message 6
// has no place for it that every peer looks at. It waits until the peer has shown
// that it has message 6: strongSwan may handle what follows it first, and cannot
// read that then.
func (s *Session) tellLife() {
	if !s.lifeUntold {
		return
	}
	s.lifeUntold = false
	s.sendInformational(isakmp.ResponderLifetime.String(), isakmp.Payload{
		Type: isakmp.Notify,
		Body: isakmp.Notification{
			Protocol: isakmp.ProtoISAKMP, SPI: s.cookieSPI(), Type: isakmp.ResponderLifetime,
			Data: isakmp.AppendAttributes(nil, isakmp.ProtoISAKMP, []isakmp.Attribute{
				{Type: isakmp.AttrLifeType, Value: isakmp.LifeSeconds},
				{Type: isakmp.AttrLife, Value: seconds(s.peer.Lifetime)},
			}),
		}.Append(nil),
	})
}

// obeyLife takes over a lifetime of the session that the responder says is
// shorter.
func (s *Session) obeyLife(n isakmp.Notification) {
	list, err := isakmp.ParseAttributes(n.Data)
	if err != nil || !s.initiator || n.Protocol != isakmp.ProtoISAKMP {
		return
	}
	life := lifetime(list, isakmp.AttrLifeType, isakmp.AttrLife).Time
	if life == 0 || !s.status.Established.Add(life).Before(s.status.Expires) {
		return
	}
	s.setLife(life)
	s.changed()
}

// renewNow has the session replaced before its time.
func (s *Session) renewNow() {
	if s.status.Renew.After(s.now) {
		s.status.Renew = s.now
		s.changed()
	}
}
