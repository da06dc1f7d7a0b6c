package history

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// busyDay is a Book with two subjects, one of which carries something.
func busyDay() *scribe {
	s := newScribe(noon)
	for i := range 800 {
		s.r.Probe = &Probe{Loss: 0.1, Delay: time.Millisecond}
		s.carry(uint64(i))
	}
	s.book.Take(s.now, map[Subject]Reading{tunnel: s.r, gateway: {}})
	return s
}

func TestABookSurvivesItsBytes(t *testing.T) {
	s := busyDay()
	got, err := Decode(s.book.Snapshot().Encode(), s.now)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(got.Subjects()), fmt.Sprint(s.book.Subjects()); a != b {
		t.Errorf("subjects %s, want %s", a, b)
	}
	from := noon.Add(-time.Minute)
	if a, b := got.Summary(tunnel, from, s.now), s.book.Summary(tunnel, from, s.now); a != b {
		t.Errorf("%+v\nwant\n%+v", a, b)
	}
	// The daemon counts from zero then, and goes on after a pause.
	back := s.now.Add(time.Minute)
	got.Take(back.Add(-Step), map[Subject]Reading{tunnel: {BytesIn: 2}})
	got.Take(back, map[Subject]Reading{tunnel: {BytesIn: 42}})
	if total := got.Total(tunnel, s.now, back); total.BytesIn != 42 || total.Known != Step {
		t.Errorf("after a restart %+v", total)
	}
}

func TestAHistoryOfTheFuture(t *testing.T) {
	s := busyDay()
	got, err := Decode(s.book.Encode(), noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if total := got.Total(tunnel, noon, s.now); total.Known != time.Minute {
		t.Errorf("a minute after noon %v are known", total.Known)
	}
}

func TestDamagedBytes(t *testing.T) {
	whole := busyDay().book.Encode()
	for n := range len(whole) {
		if _, err := Decode(whole[:n], noon); err == nil {
			t.Fatalf("%d of %d bytes were taken for a history", n, len(whole))
		}
	}
	for i := 0; i < len(whole); i += 7 {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x55
		// There are bits that mean nothing, such as the time in gzip's header.
		if b, err := Decode(broken, noon.Add(Span)); err == nil && !bytes.Equal(b.Encode(), whole) {
			t.Errorf("byte %d was changed and nobody noticed", i)
		}
	}
	for text, want := range map[string]string{
		"":                   "no history",
		"twinspan history 2": "no history",
		magic + "not zipped": "damaged",
	} {
		if _, err := Decode([]byte(text), noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(busyDay().book.Encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(data, noon)
		if err != nil {
			return
		}
		b.Take(noon, map[Subject]Reading{tunnel: {BytesIn: 1}})
		for _, s := range b.Subjects() {
			b.Summary(s, noon.Add(-Span), noon)
		}
	})
}
