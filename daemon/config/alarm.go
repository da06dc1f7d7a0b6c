package config

import (
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"strings"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/xfrm"
)

// Alarm is an alarm policy.
type Alarm struct {
	Resource
	Type          Value[alarm.Type]
	Condition     Value[alarm.Condition]
	Threshold     Value[float64]
	ForSeconds    Value[int64]
	WindowSeconds Value[int64]
	RepeatSeconds Value[int64]
	Resolved      Value[bool]
	Objects       []Value[string] // none for all of the type
	Receivers     []Value[string] // at least one
}

// Receiver is who alarms are told to. What its type has no use for is not set.
type Receiver struct {
	Resource
	Type Value[string] // one of the words below

	Server, Security, Username, From Value[string] // of ReceiverEmail
	Port                             Value[int64]
	Password                         Value[xfrm.Secret]
	To                               []Value[string]

	URL   Value[string] // of ReceiverWebhook and ReceiverAlertmanager
	Token Value[xfrm.Secret]

	CA      Value[[]byte]   // certificates in PEM, of all that use TLS
	Command []Value[string] // of ReceiverHook
}

// The types of receivers.
const (
	ReceiverEmail        = "email"
	ReceiverWebhook      = "webhook"
	ReceiverAlertmanager = "alertmanager"
	ReceiverHook         = "hook"
)

// The words of a mail receiver's `security`.
const (
	SecurityStartTLS = "starttls"
	SecurityTLS      = "tls"
	SecurityNone     = "none"
)

func alarmPolicy(t *table) Alarm {
	return Alarm{
		Type:          need(t, "type", `"vpn_tunnel" or "vpn_gateway"`, asWordOf(alarm.Tunnel, alarm.Gateway)),
		Condition:     need(t, "condition", `"state"`, asWordOf(alarm.Conditions...)),
		Threshold:     one(t, "threshold", asNumber),
		ForSeconds:    one(t, "for_seconds", asInt),
		WindowSeconds: one(t, "window_seconds", asInt),
		RepeatSeconds: one(t, "repeat_seconds", asInt),
		Resolved:      one(t, "resolved", asBool),
		Objects:       many(t, "objects", asWord),
		Receivers:     needMany(t, "receivers", `["the name of a receiver"]`, asWord),
	}
}

func receiver(t *table) Receiver {
	r := Receiver{Type: need(t, "type", `"email", "webhook", "alertmanager" or "hook"`, asOneOf(ReceiverEmail, ReceiverWebhook, ReceiverAlertmanager, ReceiverHook))}
	switch r.Type.V {
	case ReceiverEmail:
		email(t, &r)
	case ReceiverWebhook, ReceiverAlertmanager:
		webhook(t, &r)
	case ReceiverHook:
		hook(t, &r)
	default: // no key is wrong while the type is not known
		t.known = append(t.known, "server", "port", "security", "username", "password", "password_file", "from", "to",
			"url", "token", "token_file", "ca_file", "command")
	}
	return r
}

func email(t *table, r *Receiver) {
	r.Server = need(t, "server", `"mail.example.com"`, asHost)
	r.Port = one(t, "port", asPort)
	r.Security = one(t, "security", asOneOf(SecurityStartTLS, SecurityTLS, SecurityNone))
	r.Username = one(t, "username", asText)
	r.Password = secret(t, "password")
	r.From = need(t, "from", `"vpn@example.com"`, asMailbox)
	r.To = needMany(t, "to", `["ops@example.com"]`, asMailbox)
	r.CA = certificates(t)
	_, hasName := t.values["username"]
	_, hasKey := t.values["password"]
	_, hasFile := t.values["password_file"]
	switch {
	case hasName && !hasKey && !hasFile:
		t.missing("password", `write password_file = "the name of a file that only the daemon can read"`)
	case !hasName && (hasKey || hasFile):
		t.missing("username", "write username, or take the password out")
	}
	if r.Security.V == SecurityNone && hasName {
		t.fault(r.Security.Pos, `security = "none" would send the password in clear text`, `write security = "starttls" or "tls", or take username and password out`)
	}
}

func webhook(t *table, r *Receiver) {
	r.URL = need(t, "url", `"https://alerts.example.com/"`, asURL)
	r.Token = secret(t, "token")
	r.CA = certificates(t)
}

func hook(t *table, r *Receiver) {
	r.Command = needMany(t, "command", `["/usr/local/bin/alarm"]`, asText)
	if len(r.Command) > 0 && !strings.HasPrefix(r.Command[0].V, "/") {
		t.fault(r.Command[0].Pos, "command must begin with a path from the root, not "+quote(r.Command[0].V, longest), "write it as in /usr/local/bin/alarm")
	}
}

// certificates reads the file of the authorities that a server is trusted by.
func certificates(t *table) Value[[]byte] {
	name := one(t, "ca_file", asText)
	if !name.IsSet() {
		return Value[[]byte]{}
	}
	path := beside(t.p.file.Name, name.V)
	f, err := t.p.read(path)
	switch {
	case err != nil:
		t.fault(name.Pos, fmt.Sprintf("ca_file: %s: %v", path, err), "")
	case !strings.Contains(string(f.Data), "-----BEGIN CERTIFICATE-----"):
		t.fault(name.Pos, fmt.Sprintf("ca_file: %s holds no certificate", path), "name a file in the PEM format")
	default:
		return Value[[]byte]{f.Data, name.Pos}
	}
	return Value[[]byte]{}
}

// asWordOf is asOneOf for words with a type of their own.
func asWordOf[W ~string](words ...W) conversion[W] {
	plain := make([]string, len(words))
	for i, w := range words {
		plain[i] = string(w)
	}
	return func(v any) (W, *problem) {
		s, wrong := asOneOf(plain...)(v)
		return W(s), wrong
	}
}

// asNumber takes a number that is not negative, with or without a point.
func asNumber(v any) (float64, *problem) {
	var f float64
	switch n := v.(type) {
	case int64:
		f = float64(n)
	case float64:
		f = n
	default:
		return 0, &problem{"must be a number, not " + kind(v), "write it without quotes"}
	}
	if f < 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, &problem{fmt.Sprintf("%v is no threshold", f), "write 0 or more"}
	}
	return f, nil
}

func asBool(v any) (bool, *problem) {
	b, ok := v.(bool)
	if !ok {
		return false, &problem{"must be true or false, not " + kind(v), "write it without quotes"}
	}
	return b, nil
}

func asPort(v any) (int64, *problem) {
	n, wrong := asInt(v)
	if wrong == nil && (n < 1 || n > 65535) {
		wrong = &problem{fmt.Sprintf("%d is no port", n), "write 1 to 65535"}
	}
	return n, wrong
}

// asHost takes an address or a name of the DNS.
func asHost(v any) (string, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return "", wrong
	}
	s = strings.TrimSpace(s)
	if s == "localhost" || isHostName(s) {
		return s, nil
	}
	if _, wrong := asAddr(s); wrong != nil {
		return "", &problem{quote(s, longest) + " is neither an address nor a domain name", `write one like "mail.example.com"`}
	}
	return s, nil
}

// asMailbox takes one mailbox (RFC 5322 §3.4).
func asMailbox(v any) (string, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return "", wrong
	}
	if _, err := mail.ParseAddress(s); err != nil {
		return "", &problem{quote(s, longest) + " is no mail address", `write one like "ops@example.com"`}
	}
	return s, nil
}

// asURL takes the URL of a server. One with a password in it is none: it would be
// shown.
func asURL(v any) (string, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return "", wrong
	}
	u, err := url.Parse(strings.TrimSpace(s))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", &problem{"is no URL of a server", `write one like "https://alerts.example.com/"`}
	case u.User != nil:
		return "", &problem{"has a user or a password in it", "take it out, and write token_file"}
	}
	return u.String(), nil
}
