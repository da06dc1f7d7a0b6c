package courier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/xfrm"
)

// HTTP is a server that notices are posted to.
type HTTP struct {
	URL   string
	Token xfrm.Secret    // in the Authorization header, empty for none
	Roots *x509.CertPool // nil for those of the host
}

// post sends a document and judges the answer.
func (h HTTP) post(ctx context.Context, doc any) error {
	data, err := json.Marshal(doc)
	if err != nil {
		return Refused{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(data))
	if err != nil {
		return Refused{err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "twinspan")
	if h.Token.Len() > 0 {
		req.Header.Set("Authorization", "Bearer "+string(h.Token.Open()))
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: h.Roots, MinVersion: tls.VersionTLS12},
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return verdict(res)
}

// verdict: what the server says is wrong with the request stays wrong, but for
// haste.
func verdict(res *http.Response) error {
	if res.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, 300)) // whatever there is of it
	err := fmt.Errorf("the server answered %s: %s", res.Status, strings.TrimSpace(string(said)))
	if res.StatusCode/100 == 4 && res.StatusCode != http.StatusRequestTimeout && res.StatusCode != http.StatusTooManyRequests {
		return Refused{err}
	}
	return err
}

// alert is one alert as Alertmanager knows it, in its webhooks and in its API.
type alert struct {
	Status       string            `json:"status,omitempty"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint,omitempty"`
}

// labels say which alarm it is. They are the same as long as it lasts.
func labels(n alarm.Notice, host string) map[string]string {
	l := map[string]string{"alertname": n.Alarm, "condition": string(n.Condition), "type": string(n.Type), "instance": host}
	if n.Object != "" {
		l[strings.TrimPrefix(string(n.Type), "vpn_")] = n.Object
	}
	return l
}

func alertOf(n alarm.Notice, host string) alert {
	a := alert{Status: "firing", Labels: labels(n, host), Annotations: map[string]string{"summary": n.Subject(), "description": n.Text}, StartsAt: n.Began}
	if n.Event == alarm.Resolved {
		a.Status, a.EndsAt = "resolved", n.Time
	}
	return a
}

// Webhook posts what Alertmanager's webhook receiver posts, version 4.
type Webhook struct {
	HTTP
	Name string // of the receiver
	Host string
}

// group is the body of a webhook.
type group struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []alert           `json:"alerts"`
}

// Deliver posts all notices in one body.
func (w Webhook) Deliver(ctx context.Context, notices []alarm.Notice) error {
	g := group{Version: "4", GroupKey: "{}:{}", Status: "resolved", Receiver: w.Name, GroupLabels: map[string]string{}, ExternalURL: "twinspan://" + w.Host}
	for i, n := range notices {
		a := alertOf(n, w.Host)
		a.Fingerprint = fingerprint(a.Labels)
		if a.Status == "firing" {
			g.Status = a.Status
		}
		if i == 0 {
			g.CommonLabels, g.CommonAnnotations = maps.Clone(a.Labels), maps.Clone(a.Annotations)
		}
		common(g.CommonLabels, a.Labels)
		common(g.CommonAnnotations, a.Annotations)
		g.Alerts = append(g.Alerts, a)
	}
	return w.post(ctx, g)
}

// common leaves in all what one has too.
func common(all, one map[string]string) {
	maps.DeleteFunc(all, func(k, v string) bool { return one[k] != v })
}

// fingerprint is a number of an alert's labels.
func fingerprint(labels map[string]string) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(h, "%q=%q,", k, labels[k])
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// Alertmanager posts to an Alertmanager's API, version 2. It forgets what it is
// not reminded of.
type Alertmanager struct {
	HTTP // the URL without the path
	Host string
}

// remembers is how long: a reminder or two may get lost.
const remembers = 4 * alarm.Reminder

// Deliver posts all notices in one body.
func (a Alertmanager) Deliver(ctx context.Context, notices []alarm.Notice) error {
	alerts := make([]alert, len(notices))
	for i, n := range notices {
		alerts[i] = alertOf(n, a.Host)
		alerts[i].Status = ""
		if n.Event != alarm.Resolved {
			alerts[i].EndsAt = time.Now().Add(remembers)
		}
	}
	to := a.HTTP
	to.URL = strings.TrimSuffix(to.URL, "/") + "/api/v2/alerts"
	return to.post(ctx, alerts)
}

// ThisHost is what alerts call their instance.
func ThisHost() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
