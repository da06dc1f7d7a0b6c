package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/monitor/history"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

var conn = history.Subject{Kind: history.Tunnel, Name: "TomVPNConn"}

// stateful starts a daemon that keeps its history in dir.
func (s *side) stateful(t *testing.T, dir string) {
	t.Helper()
	s.kept = dir
	s.start(t)
}

// carried is what a subject carried in the last minutes.
func (s *side) carried(t *testing.T, subject history.Subject) history.Total {
	t.Helper()
	var total history.Total
	if err := s.loop.ask(t.Context(), func() {
		now := s.loop.now()
		total = s.loop.past.Total(subject, now.Add(-10*time.Minute), now)
	}); err != nil {
		t.Fatal(err)
	}
	return total
}

// answer is packet of the other direction.
func answer() xfrmtest.Inner {
	p := packet(1000)
	p.Src, p.Dst = p.Dst, p.Src
	return p
}

func TestTheHistoryOutlivesTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x, dir := newSide(t, e, west()), newSide(t, e, east()), t.TempDir()
		xfrmtest.Join(w.Memory, x.Memory)
		x.start(t)
		w.stateful(t, dir)
		time.Sleep(time.Second)
		w.wantState(t, "TomVPNConn", "up")
		for range 5 {
			if fate := x.Send(x.ifID(), answer()); fate != xfrmtest.Sent {
				t.Fatal(fate)
			}
			<-w.Inbox()
		}
		bytes := float64(5 * answer().Size())
		time.Sleep(30 * time.Second)
		for _, subject := range []history.Subject{conn, {Kind: history.Gateway, Name: "G"}} {
			if got := w.carried(t, subject); got.BytesIn != bytes || got.PacketsIn != 5 || got.BytesOut != 0 || got.Known < 30*time.Second {
				t.Errorf("%v carried %+v", subject, got)
			}
		}
		w.finish(t)
		time.Sleep(time.Minute)
		w.wire, w.Memory = e.plug(west().address), xfrmtest.NewMemory()
		w.stateful(t, dir)
		time.Sleep(20 * time.Second)
		if got := w.carried(t, conn); got.BytesIn != bytes || got.Known < 50*time.Second || got.Known > 70*time.Second {
			t.Errorf("after a restart %+v", got)
		}
		for _, warning := range w.status(t).Warnings {
			if strings.Contains(warning, "lost") {
				t.Error("a warning of nothing:", warning)
			}
		}
		w.finish(t)
	})
}

func TestADamagedHistoryIsAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "history"), "twinspan history 1\nhalf a fi")
		w := newSide(t, &ether{}, west())
		w.stateful(t, dir)
		if all := strings.Join(w.status(t).Warnings, "\n"); !strings.Contains(all, "the traffic of before this start is lost") {
			t.Errorf("warnings: %s", all)
		}
		w.finish(t)
		data, err := os.ReadFile(filepath.Join(dir, "history"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := history.Decode(data, time.Now()); err != nil {
			t.Error("after the next stop:", err)
		}
	})
}

func TestADiskThatTakesNothingTouchesNoTunnel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w := newSide(t, e, west())
		newSide(t, e, east()).start(t)
		file := filepath.Join(t.TempDir(), "a file")
		write(t, file, "and no directory")
		w.stateful(t, file)
		time.Sleep(saveTime + 2*time.Second)
		w.wantState(t, "TomVPNConn", "up")
		w.wantLog(t, "the history of the traffic could not be written")
		w.finish(t)
	})
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state", "history")
	for _, text := range []string{"old", "new"} {
		if err := replaceFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "occupied"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(dir, "occupied"), nil); err == nil {
		t.Error("a directory was replaced")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}
