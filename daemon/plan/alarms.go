package plan

import (
	"crypto/x509"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/xfrm"
)

// Receiver is who alarms are told to. What its type has no use for is zero.
type Receiver struct {
	Name, Type string // the type is a word of config

	Server             string
	Port               int
	Security, Username string
	Password           xfrm.Secret
	From               string
	To                 []string

	URL     string
	Token   xfrm.Secret
	Roots   *x509.CertPool // nil for those of the host
	Command []string
}

// String is a receiver without its secrets.
func (r Receiver) String() string {
	switch r.Type {
	case config.ReceiverEmail:
		return fmt.Sprintf("mail to %s by %s:%d (%s)", strings.Join(r.To, ", "), r.Server, r.Port, r.Security)
	case config.ReceiverHook:
		return "program " + strings.Join(r.Command, " ")
	}
	return r.Type + " at " + r.site()
}

// site is the server of the URL: paths of webhooks are often secrets.
func (r Receiver) site() string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func (r Receiver) equal(o Receiver) bool {
	return r.String() == o.String() && r.Username == o.Username && r.From == o.From && r.URL == o.URL &&
		r.Password.Equal(o.Password) && r.Token.Equal(o.Token) && r.Roots.Equal(o.Roots)
}

// The defaults of an alarm policy.
const (
	alarmFor    = 60   // seconds
	alarmWindow = 600  // seconds
	alarmRepeat = 3600 // seconds
	longestTime = 7 * 86400
)

// The ports of mail servers by security (RFC 6409, RFC 8314).
var mailPorts = map[string]int64{config.SecurityStartTLS: 587, config.SecurityTLS: 465, config.SecurityNone: 25}

// makeAlarms plans the receivers and the alarm policies.
func (m *maker) makeAlarms() {
	receivers := map[string]*Receiver{}
	for _, c := range m.cfg.Receivers {
		r := m.receiver(c)
		receivers[c.Name] = &r
		m.plan.Receivers = append(m.plan.Receivers, r)
	}
	used := map[string]bool{}
	for _, c := range m.cfg.Alarms {
		r := m.rule(c)
		for _, name := range c.Receivers {
			used[name.V] = true
			if to := find(m, alarmNoun(c), "receiver", name, receivers); to != nil {
				r.Receivers = append(r.Receivers, m.told(c, *to))
			}
		}
		m.plan.Alarms = append(m.plan.Alarms, r)
	}
	for _, c := range m.cfg.Receivers {
		if !used[c.Name] {
			m.warn(c.Pos, "name it in the receivers of an alarm", "receiver %q: no alarm is told to it", c.Name)
		}
	}
}

func alarmNoun(c config.Alarm) string { return fmt.Sprintf("alarm %q", c.Name) }

func (m *maker) receiver(c config.Receiver) Receiver {
	security := c.Security.Or(config.SecurityStartTLS)
	r := Receiver{
		Name: c.Name, Type: c.Type.V, Server: c.Server.V, Port: int(c.Port.Or(mailPorts[security])), Security: security, Username: c.Username.V,
		Password: c.Password.V, From: c.From.V, To: words(c.To), URL: c.URL.V, Token: c.Token.V, Command: words(c.Command),
	}
	if c.CA.IsSet() {
		r.Roots = x509.NewCertPool()
		if !r.Roots.AppendCertsFromPEM(c.CA.V) {
			m.fault(c.CA.Pos, "name a file with certificates in the PEM format", "receiver %q: ca_file has no certificate that can be read", c.Name)
		}
	}
	return r
}

func words(list []config.Value[string]) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.V)
	}
	return out
}

// told is one receiver of a policy. An Alertmanager repeats by itself, and forgets
// what it is not reminded of.
func (m *maker) told(c config.Alarm, r Receiver) alarm.Receiver {
	to := alarm.Receiver{Name: r.Name, Repeat: seconds(c.RepeatSeconds.Or(alarmRepeat)), Resolved: c.Resolved.Or(true)}
	if r.Type == config.ReceiverAlertmanager {
		to.Repeat, to.Resolved = alarm.Reminder, true
	}
	return to
}

// rule plans a policy, without its receivers.
func (m *maker) rule(c config.Alarm) alarm.Rule {
	trait := alarm.Traits[c.Condition.V]
	r := alarm.Rule{
		Name: c.Name, Type: c.Type.V, Condition: c.Condition.V, Threshold: c.Threshold.Or(trait.Threshold),
		For: seconds(c.ForSeconds.Or(defaultFor(trait))), Window: seconds(c.WindowSeconds.Or(alarmWindow)), Objects: words(c.Objects),
	}
	noun := alarmNoun(c)
	m.inRange(noun, "for_seconds", c.ForSeconds, 0, longestTime)
	m.inRange(noun, "window_seconds", c.WindowSeconds, 10, longestTime)
	m.inRange(noun, "repeat_seconds", c.RepeatSeconds, 0, longestTime)
	if c.RepeatSeconds.IsSet() && c.RepeatSeconds.V > 0 && c.RepeatSeconds.V < 10 {
		m.fault(c.RepeatSeconds.Pos, "write at least 10, or 0 for once", "%s: repeat_seconds %d would flood its receivers", noun, c.RepeatSeconds.V)
	}
	if !c.Type.IsSet() || !c.Condition.IsSet() {
		return r // and reported
	}
	if !slices.Contains(trait.Types, c.Type.V) {
		m.fault(c.Condition.Pos, fmt.Sprintf("write type = %q, or another condition", trait.Types[0]),
			"%s: %s is no condition of a %s", noun, c.Condition.V, c.Type.V.Noun())
	}
	if c.Condition.V == alarm.Failover {
		m.warn(c.Condition.Pos, "leave it for a version that has", "%s: this version has no second host, so that a failover never happens", noun)
	}
	m.checkThreshold(c, trait)
	m.checkObjects(c, trait)
	return r
}

// defaultFor: what is counted within a window has lasted already.
func defaultFor(t alarm.Trait) int64 {
	if t.Window {
		return 0
	}
	return alarmFor
}

func (m *maker) checkThreshold(c config.Alarm, trait alarm.Trait) {
	noun := alarmNoun(c)
	switch {
	case trait.Unit == "" && c.Threshold.IsSet():
		m.fault(c.Threshold.Pos, "take it out", "%s: threshold has no effect on %s", noun, c.Condition.V)
	case trait.Unit != "" && trait.Threshold == 0 && !c.Threshold.IsSet():
		m.fault(c.Pos, "write threshold = a number of "+trait.Unit, "%s: threshold is missing", noun)
	case c.Condition.V == alarm.LossAbove && c.Threshold.V >= 100:
		m.fault(c.Threshold.Pos, "write 0 to 99", "%s: more than all pings cannot be lost", noun)
	case c.Threshold.IsSet() && trait.Counted &&
		(c.Threshold.V < 1 || c.Threshold.V > 1000 || c.Threshold.V != math.Trunc(c.Threshold.V)):
		m.fault(c.Threshold.Pos, "write a whole number from 1 to 1000", "%s: threshold %g is no number of %s", noun, c.Threshold.V, trait.Unit)
	}
	if !trait.Window && c.WindowSeconds.IsSet() {
		m.fault(c.WindowSeconds.Pos, "take it out; for_seconds says how long it must last", "%s: window_seconds has no effect on %s", noun, c.Condition.V)
	}
}

// checkObjects resolves the names, and tells of objects that the condition can say
// nothing of.
func (m *maker) checkObjects(c config.Alarm, trait alarm.Trait) {
	noun := alarmNoun(c)
	if c.Condition.V == alarm.BadConfig && len(c.Objects) > 0 {
		m.fault(c.Objects[0].Pos, "take objects out", "%s: the configuration is that of the whole host", noun)
		return
	}
	tunnels, gateways := map[string]*tunnel{}, m.gateways
	for _, t := range m.tunnels {
		tunnels[t.Name] = t
	}
	for _, name := range c.Objects {
		if c.Type.V == alarm.Gateway {
			find(m, noun, "VPN gateway", name, gateways)
		} else if t := find(m, noun, "tunnel", name, tunnels); t != nil && trait.Probed && !t.HealthCheck.Target.IsSet() {
			m.warn(name.Pos, fmt.Sprintf("give the tunnel a health check: [vpn_tunnel.%s.health_check]", name.V),
				"%s: tunnel %q has no health check, so that its loss and delay are not known", noun, name.V)
		}
	}
}

func diffAlarms(old, new Plan) []Change {
	var out []Change
	add := func(object, what string) { out = append(out, Change{Object: object, Impact: Live, What: what}) }
	byKey(old.Alarms, new.Alarms, func(r alarm.Rule) string { return r.Name }, func(name string, was, is *alarm.Rule) {
		object := fmt.Sprintf("alarm %q", name)
		switch {
		case was == nil:
			add(object, "added")
		case is == nil:
			add(object, "removed")
		case was.String() != is.String():
			add(object, was.String()+" -> "+is.String())
		}
	})
	byKey(old.Receivers, new.Receivers, func(r Receiver) string { return r.Name }, func(name string, was, is *Receiver) {
		object := fmt.Sprintf("receiver %q", name)
		switch {
		case was == nil:
			add(object, "added")
		case is == nil:
			add(object, "removed")
		case !was.equal(*is):
			add(object, diffReceivers(*was, *is))
		}
	})
	return out
}

// diffReceivers tells of two receivers that are not the same, and nothing of their
// secrets.
func diffReceivers(was, is Receiver) string {
	if was.String() == is.String() {
		return "how it is reached changed"
	}
	return was.String() + " -> " + is.String()
}
