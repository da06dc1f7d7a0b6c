package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/monitor/history"
)

// saveTime is how often the history is written, so that a crash loses no more.
const saveTime = 10 * time.Minute

// chronicle is the history of gateways and tunnels, and the file that it is kept
// in over restarts. Whatever becomes of the file, the tunnels do not notice.
type chronicle struct {
	*history.Book
	file   string // "" for none
	due    time.Time
	saving chan error // the result of what is being written, nil when nothing is
}

func newChronicle() chronicle { return chronicle{Book: history.New()} }

// remember reads what was kept. A history that cannot be read is lost.
func (l *loop) remember(dir string) {
	if dir == "" {
		return
	}
	now := l.now()
	l.past.file, l.past.due = filepath.Join(dir, "history"), now.Add(saveTime)
	data, err := os.ReadFile(l.past.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var book *history.Book
	if err == nil {
		book, err = history.Decode(data, now)
	}
	if err != nil {
		l.warnings = append(l.warnings, fmt.Sprintf("the traffic of before this start is lost: %s: %v", l.past.file, err))
		return
	}
	l.past.Book = book
}

// chronicle enters what the step that has ended brought, and writes the history
// when that is due.
func (l *loop) chronicle(now time.Time) {
	if l.past.Due(now) {
		l.refresh()
		l.past.Take(now, l.readings())
	}
	select {
	case err := <-l.past.saving:
		l.past.saving = nil
		l.lament(err)
	default:
	}
	if l.past.file == "" || now.Before(l.past.due) || l.past.saving != nil {
		return
	}
	l.past.due = now.Add(saveTime)
	l.past.saving = save(l.past.Snapshot(), l.past.file)
}

// lament tells of a history that could not be written.
func (l *loop) lament(err error) {
	if err != nil {
		l.complain("the history of the traffic could not be written", slog.Any("reason", err))
	}
}

// save writes a history aside: a disk may take its time.
func save(b *history.Book, file string) chan error {
	done := make(chan error, 1)
	go func() { done <- replaceFile(file, b.Encode()) }()
	return done
}

// lastChapter enters and writes what there is when the daemon stops. A disk that
// hangs holds the stop up for a while and no longer.
func (l *loop) lastChapter() {
	if l.past.file == "" {
		return
	}
	l.past.Take(l.now(), l.readings())
	limit := time.After(stopTime)
	for _, saving := range []chan error{l.past.saving, save(l.past.Snapshot(), l.past.file)} {
		if saving == nil {
			continue
		}
		select {
		case err := <-saving:
			l.lament(err)
		case <-limit:
			l.lament(errors.New("the disk does not answer"))
			return
		}
	}
}

// readings are the counters of all tunnels. A gateway does what its tunnels do.
func (l *loop) readings() map[history.Subject]history.Reading {
	all := make(map[history.Subject]history.Reading, len(l.plan.Gateways)+len(l.plan.Tunnels))
	for _, g := range l.plan.Gateways {
		all[history.Subject{Kind: history.Gateway, Name: g.Name}] = history.Reading{}
	}
	traffic := l.ledger.traffic()
	for _, t := range l.plan.Tunnels {
		r := readingOf(traffic[t.Name])
		r.Of = history.Subject{Kind: history.Gateway, Name: t.Gateway}
		if p, ok := l.probed[t.Name]; ok && p.Err == nil {
			r.Probe = &history.Probe{Loss: p.Loss, Delay: p.RTT}
		}
		all[history.Subject{Kind: history.Tunnel, Name: t.Name}] = r
	}
	return all
}

func readingOf(t api.Traffic) history.Reading {
	return history.Reading{BytesIn: t.BytesIn, BytesOut: t.BytesOut, PacketsIn: t.PacketsIn, PacketsOut: t.PacketsOut,
		Drops: t.ReplayErrors + t.IntegrityErrors}
}
