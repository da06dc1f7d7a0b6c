package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/xfrm"
)

// Security is how a connection to a mail server is protected.
type Security string

// The kinds of protection.
const (
	StartTLS Security = "starttls" // required, not only tried
	TLS      Security = "tls"      // from the first byte, "SMTPS"
	Plain    Security = "none"
)

// Email delivers by SMTP, all notices in one message.
type Email struct {
	Server   string
	Port     int
	Security Security
	Username string // "" for no authentication
	Password xfrm.Secret
	From     string
	To       []string
	Roots    *x509.CertPool // nil for those of the host
}

// Deliver hands the message to the server.
func (e Email) Deliver(ctx context.Context, notices []alarm.Notice) error {
	m, err := e.message(notices)
	if err != nil {
		return Refused{err}
	}
	c, err := mail.NewClient(e.Server, e.options()...)
	if err != nil {
		return Refused{err}
	}
	err = c.DialAndSendWithContext(ctx, m)
	var told *mail.SendError
	if errors.As(err, &told) && !told.IsTemp() && told.ErrorCode() >= 500 {
		return Refused{err}
	}
	return err
}

func (e Email) options() []mail.Option {
	o := []mail.Option{
		mail.WithPort(e.Port), mail.WithTimeout(deliverTime),
		mail.WithTLSConfig(&tls.Config{ServerName: e.Server, RootCAs: e.Roots, MinVersion: tls.VersionTLS12}),
	}
	switch e.Security {
	case TLS:
		o = append(o, mail.WithSSL())
	case StartTLS:
		o = append(o, mail.WithTLSPolicy(mail.TLSMandatory))
	default:
		o = append(o, mail.WithTLSPolicy(mail.NoTLS))
	}
	if e.Username != "" {
		o = append(o, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.Username), mail.WithPassword(string(e.Password.Open())))
	}
	return o
}

func (e Email) message(notices []alarm.Notice) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.From(e.From); err != nil {
		return nil, err
	}
	if err := m.To(e.To...); err != nil {
		return nil, err
	}
	m.Subject(subject(notices))
	m.SetDate()
	m.SetMessageID()
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation notice is to answer
	m.SetBodyString(mail.TypeTextPlain, body(notices))
	return m, nil
}

func subject(notices []alarm.Notice) string {
	s := notices[0].Subject()
	if more := len(notices) - 1; more > 0 {
		s = fmt.Sprintf("%s and %d more", s, more)
	}
	return s
}

func body(notices []alarm.Notice) string {
	var b strings.Builder
	for _, n := range notices {
		fmt.Fprintf(&b, "%s\n  %s\n  since %s, told at %s\n\n", n.Subject(), n.Text, clock(n.Began), clock(n.Time))
	}
	return b.String()
}

func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05 -0700") }
