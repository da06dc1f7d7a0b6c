package courier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/xfrm"
)

// mailbox is a receiver of make-believe.
type mailbox struct {
	mu   sync.Mutex
	err  error
	hang bool
	got  [][]alarm.Notice
	at   []time.Time
}

func (b *mailbox) Deliver(ctx context.Context, notices []alarm.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = append(b.at, time.Now())
	if b.hang {
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		return ctx.Err()
	}
	if b.err == nil {
		b.got = append(b.got, notices)
	}
	return b.err
}

// becomes sets how it answers.
func (b *mailbox) becomes(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// tries are when something was brought to it.
func (b *mailbox) tries() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.at)
}

// texts are what it got, a line for each delivery.
func (b *mailbox) texts() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, batch := range b.got {
		var words []string
		for _, n := range batch {
			words = append(words, string(n.Event)+" "+n.Object)
		}
		lines = append(lines, strings.Join(words, ", "))
	}
	return strings.Join(lines, "; ")
}

func notice(receiver, object string, e alarm.Event) alarm.Notice {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return alarm.Notice{Receiver: receiver, Alarm: "down", Type: alarm.Tunnel, Object: object, Condition: alarm.State, Event: e,
		Text: "it is so", Began: now.Add(-time.Minute), Time: now}
}

// office is a courier at work.
type office struct {
	*Courier
	file  string
	stop  func()
	ended chan struct{}
	mu    sync.Mutex
	warns []string
}

// save stands in for the disk.
func save(file string, data []byte) error { return os.WriteFile(file, data, 0o600) }

func open(t *testing.T, file string, save func(string, []byte) error, boxes map[string]Receiver) (*office, alarm.Memory, error) {
	t.Helper()
	o := &office{file: file, ended: make(chan struct{})}
	c, memory, err := Open(Options{File: file, Save: save, Warn: func(what string, attrs ...slog.Attr) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.warns = append(o.warns, fmt.Sprint(what, attrs))
	}})
	o.Courier = c
	ctx, cancel := context.WithCancel(context.Background())
	o.stop = func() { cancel(); <-o.ended }
	go func() {
		defer close(o.ended)
		_ = c.Serve(ctx)
	}()
	c.SetReceivers(boxes)
	return o, memory, err
}

// A server that is dead for a while gets everything in its order once it is back,
// in one message; the others do not wait for it.
func TestADeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, well := &mailbox{err: errors.New("connection refused")}, &mailbox{}
		o, _, err := open(t, "", save, map[string]Receiver{"dead": dead, "well": well})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"dead", "well"} {
			o.Post([]alarm.Notice{notice(to, "a", alarm.Firing)}, alarm.Memory{})
		}
		time.Sleep(time.Minute)
		for range 100 {
			o.Post([]alarm.Notice{notice("dead", "a", alarm.Repeated)}, alarm.Memory{})
			time.Sleep(time.Minute)
		}
		o.Post([]alarm.Notice{notice("dead", "a", alarm.Resolved), notice("dead", "b", alarm.Firing)}, alarm.Memory{})
		if got := well.texts(); got != "firing a" {
			t.Errorf("who is well got %s", got)
		}
		tries := dead.tries()
		last := len(tries) - 1
		if pause := tries[last].Sub(tries[last-1]); pause != longest || last > 25 || tries[1].Sub(tries[0]) != firstPause {
			t.Errorf("%d tries, the last after %v", last+1, pause)
		}
		dead.becomes(nil)
		time.Sleep(longest)
		synctest.Wait()
		if got := dead.texts(); got != "firing a, resolved a, firing b" {
			t.Errorf("who was dead got %s", got)
		}
		l, err := o.Log(t.Context())
		if err != nil || l.Waiting != 0 || l.Lost != 0 || len(l.Entries) != 4 || l.Entries[0].Delivered.IsZero() || l.Entries[0].Error != "" {
			t.Errorf("the history is %+v, %v", l, err)
		}
		o.stop()
	})
}

// A receiver that will never take a notice does not get it again, and the next one
// all the same.
func TestARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailbox{err: Refused{errors.New("no such user")}}
		o, _, _ := open(t, "", save, map[string]Receiver{"b": b})
		o.Post([]alarm.Notice{notice("b", "a", alarm.Firing)}, alarm.Memory{})
		time.Sleep(24 * time.Hour)
		b.becomes(nil)
		o.Post([]alarm.Notice{notice("b", "a", alarm.Resolved)}, alarm.Memory{})
		synctest.Wait()
		if l, err := o.Log(t.Context()); err != nil || len(b.tries()) != 2 || b.texts() != "resolved a" || l.Entries[0].Error != "no such user" {
			t.Errorf("%d tries, got %s, %+v, %v", len(b.tries()), b.texts(), l, err)
		}
		o.stop()
	})
}

// Neither a server that hangs nor a disk that does keeps anybody waiting, and what
// waits is bounded.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, hangs := make(chan struct{}), &mailbox{hang: true}
		o, _, _ := open(t, "file", func(string, []byte) error { <-stuck; return errors.New("no space left on device") }, map[string]Receiver{"b": hangs})
		synctest.Wait()
		for i := range 3 * mostWaiting {
			o.Post([]alarm.Notice{notice("b", fmt.Sprint(i), alarm.Firing)}, alarm.Memory{})
			if i%mostMail == mostMail-1 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		l, err := o.Log(t.Context())
		if err != nil || l.Waiting != mostWaiting || l.Lost != 2*mostWaiting || len(l.Entries) != mostHistory {
			t.Errorf("%d wait, %d are lost, %d are remembered, %v", l.Waiting, l.Lost, len(l.Entries), err)
		}
		begun := time.Now()
		o.stop()
		if took := time.Since(begun); took > lastWrite {
			t.Errorf("it took %v to stop", took)
		}
		close(stuck)
		synctest.Wait()
		if len(o.warns) == 0 || !strings.Contains(o.warns[len(o.warns)-1], "no space left on device") {
			t.Errorf("warned of %q", o.warns)
		}
	})
}

// deaf is a server that neither answers nor hangs up.
type deaf struct{}

func (deaf) Deliver(context.Context, []alarm.Notice) error {
	time.Sleep(time.Minute)
	return nil
}

// The end waits for nobody for long, and what may not have arrived is kept.
func TestTheEndIsNotKeptWaiting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alarms.json")
	synctest.Test(t, func(t *testing.T) {
		o, _, _ := open(t, file, save, map[string]Receiver{"b": deaf{}})
		o.Post([]alarm.Notice{notice("b", "a", alarm.Firing)}, alarm.Memory{})
		synctest.Wait()
		begun := time.Now()
		o.stop()
		if took := time.Since(begun); took > lastOutcome+lastWrite {
			t.Errorf("it took %v to stop", took)
		}
		time.Sleep(time.Minute) // it hears in the end, and nobody listens
	})
	if r, err := read(file); err != nil || len(r.Waiting) != 1 {
		t.Errorf("what waits is %v, %v", r.Waiting, err)
	}
}

// What waits outlives a restart, and so does what the judge knows.
func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alarms.json")
	b := &mailbox{err: errors.New("connection refused")}
	o, _, err := open(t, file, save, map[string]Receiver{"b": b})
	if err != nil {
		t.Fatal(err)
	}
	silence := alarm.Silence{Alarm: "x", Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	o.Post([]alarm.Notice{notice("b", "a", alarm.Firing), notice("gone", "a", alarm.Firing)}, alarm.Memory{Silences: []alarm.Silence{silence}})
	o.stop()
	b.becomes(nil)
	again, memory, err := open(t, file, save, map[string]Receiver{"b": b})
	if err != nil || len(memory.Silences) != 1 || memory.Silences[0] != silence {
		t.Errorf("it remembers %+v, %v", memory, err)
	}
	for range 1000 {
		if b.texts() != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	again.stop()
	if b.texts() != "firing a" {
		t.Errorf("after the restart it got %s", b.texts())
	}
}

// A file that is damaged, or of another version, costs what it held and no more.
func TestDamagedFiles(t *testing.T) {
	for name, text := range map[string]string{"half": `{"version": 1, "waiting": [{"rec`, "empty": "", "another version": `{"version": 99}`, "no object": "[]"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "alarms.json")
			if err := save(file, []byte(text)); err != nil {
				t.Fatal(err)
			}
			o, memory, err := open(t, file, save, nil)
			if err == nil || !strings.Contains(err.Error(), file) || len(memory.Standing) != 0 {
				t.Errorf("the warning is %v", err)
			}
			o.Post(nil, alarm.Memory{})
			o.stop()
			if _, err := read(file); err != nil {
				t.Errorf("it is not written anew: %v", err)
			}
		})
	}
}

func TestTheQueueDropsWhatIsOld(t *testing.T) {
	q := newQueue([]alarm.Notice{notice("b", "a", alarm.Firing)})
	q.keep(time.Now().Add(oldest+time.Minute), func(string) bool { return true })
	if len(q.waiting) != 0 || q.lost != 1 {
		t.Errorf("%v wait, %d lost", q.waiting, q.lost)
	}
}

// posted serves once, and returns what was posted.
func posted(t *testing.T, status int, post func(url string) error) (path, auth, body string, err error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := make([]byte, 1<<16)
		n, _ := r.Body.Read(data)
		path, auth, body = r.URL.Path, r.Header.Get("Authorization"), string(data[:n])
		w.WriteHeader(status)
		fmt.Fprint(w, "as you like it")
	}))
	defer s.Close()
	err = post(s.URL)
	return path, auth, body, err
}

// The body of a webhook is the one that Alertmanager sends: its receivers take it.
func TestWebhook(t *testing.T) {
	list := []alarm.Notice{notice("b", "a", alarm.Firing), notice("b", "c", alarm.Resolved)}
	_, auth, body, err := posted(t, 200, func(url string) error {
		return Webhook{HTTP: HTTP{URL: url, Token: xfrm.NewSecret([]byte("secret"))}, Name: "b", Host: "gw1"}.Deliver(t.Context(), list)
	})
	var doc map[string]any
	if err != nil || auth != "Bearer secret" || json.Unmarshal([]byte(body), &doc) != nil {
		t.Fatalf("%v, %q: %s", err, auth, body)
	}
	common := doc["commonLabels"].(map[string]any)
	alerts := doc["alerts"].([]any)
	first, second := alerts[0].(map[string]any), alerts[1].(map[string]any)
	for what, ok := range map[string]bool{
		"version":      doc["version"] == "4",
		"status":       doc["status"] == "firing" && first["status"] == "firing" && second["status"] == "resolved",
		"receiver":     doc["receiver"] == "b",
		"labels":       first["labels"].(map[string]any)["tunnel"] == "a" && common["alertname"] == "down" && common["tunnel"] == nil && common["instance"] == "gw1",
		"ends":         first["endsAt"] == "0001-01-01T00:00:00Z" && second["endsAt"] != "0001-01-01T00:00:00Z",
		"fingerprints": len(first["fingerprint"].(string)) == 16 && first["fingerprint"] != second["fingerprint"],
		"keys":         doc["groupKey"] != nil && doc["groupLabels"] != nil && doc["externalURL"] != nil && doc["truncatedAlerts"] == 0.0 && doc["commonAnnotations"] != nil,
	} {
		if !ok {
			t.Errorf("%s: %s", what, body)
		}
	}
}

func TestAlertmanagerIsRemindedInTime(t *testing.T) {
	path, _, body, err := posted(t, 200, func(url string) error {
		return Alertmanager{HTTP: HTTP{URL: url + "/"}, Host: "gw1"}.Deliver(t.Context(), []alarm.Notice{notice("b", "a", alarm.Repeated)})
	})
	var alerts []alert
	if err != nil || path != "/api/v2/alerts" || json.Unmarshal([]byte(body), &alerts) != nil {
		t.Fatalf("%v: %s %s", err, path, body)
	}
	if left := time.Until(alerts[0].EndsAt); left < 3*alarm.Reminder || alerts[0].Status != "" {
		t.Errorf("it ends in %v: %s", left, body)
	}
}

// What a server says is wrong with a request stays wrong; what is wrong with the
// server may pass.
func TestAnswersOfServers(t *testing.T) {
	for status, refused := range map[int]bool{400: true, 404: true, 408: false, 429: false, 500: false, 503: false} {
		_, _, _, err := posted(t, status, func(url string) error {
			return Webhook{HTTP: HTTP{URL: url}}.Deliver(t.Context(), []alarm.Notice{notice("b", "a", alarm.Firing)})
		})
		var r Refused
		if err == nil || errors.As(err, &r) != refused || !strings.Contains(err.Error(), "as you like it") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// The program gets the notices, and one that fails says why; what it leaves behind
// does not keep anybody.
func TestHook(t *testing.T) {
	file := filepath.Join(t.TempDir(), "told")
	list := []alarm.Notice{notice("b", "a", alarm.Firing)}
	if err := (Hook{[]string{"/bin/sh", "-c", `cat > "$0"`, file}}).Deliver(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	var told []alarm.Notice
	if err != nil || json.Unmarshal(data, &told) != nil || len(told) != 1 || told[0] != list[0] {
		t.Errorf("%v: %s", err, data)
	}
	err = Hook{[]string{"/bin/sh", "-c", "echo no credit left; exit 3"}}.Deliver(t.Context(), list)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no credit left") {
		t.Errorf("it failed with %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := (Hook{[]string{"/bin/sh", "-c", "sleep 60 & sleep 60"}}).Deliver(ctx, list); err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("one that hangs: %v after %v", err, time.Since(begun))
	}
}

// A mail says what fires, in its subject too, and that a program wrote it.
func TestMail(t *testing.T) {
	m, err := Email{From: "vpn@example.com", To: []string{"ops@example.com"}}.message([]alarm.Notice{notice("b", "a", alarm.Firing), notice("b", "c", alarm.Resolved)})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Subject: [firing] down: tunnel a and 1 more", "Auto-Submitted: auto-generated", "[resolved] down: tunnel c", "it is so", "Message-ID: <"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
