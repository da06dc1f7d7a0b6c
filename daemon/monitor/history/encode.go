package history

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// magic begins the bytes of a Book. Its checksum is that of gzip.
const magic = "twinspan history 1\n"

// Bounds of what is read back.
const (
	maxSubjects = 1 << 16
	maxName     = 1 << 10
)

// Snapshot is the Book as it is now, for another goroutine to encode while this
// one goes on. It costs little: only the pages that are written are copied.
func (b *Book) Snapshot() *Book {
	c := &Book{lines: maps.Clone(b.lines), last: b.last}
	for s, l := range b.lines {
		pages := slices.Clone(l.pages)
		for i := range pages {
			// The newest is written, and the one before it when a reading is late.
			if p := &pages[i]; i >= len(pages)-2 && p.points != nil {
				points := *p.points
				p.points = &points
			}
		}
		c.lines[s] = &line{pages: pages}
	}
	return c
}

// Encode turns the Book into bytes.
func (b *Book) Encode() []byte {
	out := bytes.NewBufferString(magic)
	zip, _ := gzip.NewWriterLevel(out, gzip.BestSpeed) // the level is a right one
	w := bufio.NewWriter(zip)
	put := func(v any) { _ = binary.Write(w, binary.BigEndian, v) } // a Buffer takes everything
	put(uint32(len(b.lines)))
	for _, s := range b.Subjects() {
		for _, text := range []string{s.Kind, s.Name} {
			put(uint16(len(text)))
			put([]byte(text))
		}
		pages := b.lines[s].pages
		put(uint8(len(pages)))
		for _, p := range pages {
			put(p.number)
			put(p.known)
			put(p.points != nil)
			if p.points != nil {
				put(p.points)
			}
		}
	}
	_ = w.Flush()
	_ = zip.Close()
	return out.Bytes()
}

// compare sorts by kind and name.
func (s Subject) compare(o Subject) int {
	return cmp.Or(cmp.Compare(s.Kind, o.Kind), cmp.Compare(s.Name, o.Name))
}

// Decode reads what Encode wrote. What would lie ahead of now is left out.
func Decode(data []byte, now time.Time) (*Book, error) {
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		return nil, errors.New("this is no history of this version of twinspand")
	}
	zip, err := gzip.NewReader(bytes.NewReader(rest))
	if err != nil {
		return nil, fmt.Errorf("the history is damaged: %w", err)
	}
	r := reader{r: bufio.NewReader(zip)}
	b := New()
	for n := r.count(maxSubjects); n > 0 && r.err == nil; n-- {
		s, l := r.subject(), r.line()
		l.cut(stepOf(now))
		b.lines[s] = l
	}
	if r.err == nil {
		_, r.err = r.r.ReadByte() // the checksum is looked at where the end is
	}
	if r.err != io.EOF {
		return nil, fmt.Errorf("the history is damaged: %w", cmp.Or(r.err, errors.New("there is more than there should be")))
	}
	return b, nil
}

// reader reads; its first error sticks.
type reader struct {
	r   *bufio.Reader
	err error
}

// get fills v. An end in the middle is an error like another one.
func (r *reader) get(v any) {
	if r.err != nil {
		return
	}
	if r.err = binary.Read(r.r, binary.BigEndian, v); r.err == io.EOF {
		r.err = io.ErrUnexpectedEOF
	}
}

func (r *reader) count(most uint32) uint32 {
	var n uint32
	r.get(&n)
	return r.bounded(n, most)
}

// bounded is n, or 0 and an error when it is more than there can be.
func (r *reader) bounded(n, most uint32) uint32 {
	if n > most && r.err == nil {
		r.err = fmt.Errorf("a count of %d is more than %d", n, most)
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) subject() Subject { return Subject{r.text(), r.text()} }

func (r *reader) text() string {
	var n uint16
	r.get(&n)
	text := make([]byte, r.bounded(uint32(n), maxName))
	r.get(text)
	return string(text)
}

func (r *reader) line() *line {
	var n uint8
	r.get(&n)
	l := &line{}
	for range r.bounded(uint32(n), uint32(pagesKept)) {
		var p page
		var filled bool
		r.get(&p.number)
		r.get(&p.known)
		r.get(&filled)
		if filled {
			p.points = new([pageSteps]point)
			r.get(p.points)
		}
		if k := len(l.pages); k > 0 && l.pages[k-1].number >= p.number && r.err == nil {
			r.err = errors.New("hours are out of order")
		}
		l.pages = append(l.pages, p)
	}
	return l
}
