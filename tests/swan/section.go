package swan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Section is a node of strongSwan's configuration: keys in order, each with a
// value, a list or a section. It is what swanctl.conf says as text and vici as
// bytes.
type Section []Entry

// Entry is one key of a Section. Value is a string, a []string or a Section.
type Entry struct {
	Key   string
	Value any
}

// Get follows keys down and returns the string at their end, "" when there is
// none.
func (s Section) Get(path ...string) string {
	text, _ := s.find(path).(string)
	return text
}

// Sub follows keys down and returns the section at their end.
func (s Section) Sub(path ...string) Section {
	sub, _ := s.find(path).(Section)
	return sub
}

// List follows keys down and returns the list at their end.
func (s Section) List(path ...string) []string {
	list, _ := s.find(path).([]string)
	return list
}

func (s Section) find(path []string) any {
	var at any = s
	for _, key := range path {
		inside, ok := at.(Section)
		if !ok {
			return nil
		}
		at = nil
		for _, e := range inside {
			if e.Key == key {
				at = e.Value
			}
		}
	}
	return at
}

// Text is the section in the syntax of swanctl.conf and strongswan.conf.
func (s Section) Text() string {
	var b strings.Builder
	s.write(&b, "")
	return b.String()
}

func (s Section) write(b *strings.Builder, indent string) {
	for _, e := range s {
		switch v := e.Value.(type) {
		case Section:
			fmt.Fprintf(b, "%s%s {\n", indent, e.Key)
			v.write(b, indent+"  ")
			fmt.Fprintf(b, "%s}\n", indent)
		case []string:
			fmt.Fprintf(b, "%s%s = %s\n", indent, e.Key, strings.Join(v, ","))
		default:
			fmt.Fprintf(b, "%s%s = %s\n", indent, e.Key, quoted(fmt.Sprint(v)))
		}
	}
}

// quoted puts a value into quotes where the syntax needs them.
func quoted(v string) string {
	if v != "" && !strings.ContainsAny(v, " \t\n#{}=\"\\") {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v) + `"`
}

// The elements of a vici message.
const (
	sectionStart = iota + 1
	sectionEnd
	keyValue
	listStart
	listItem
	listEnd
)

// encode appends the section as vici wants it.
func (s Section) encode(b []byte) []byte {
	for _, e := range s {
		switch v := e.Value.(type) {
		case Section:
			b = name(append(b, sectionStart), e.Key)
			b = append(v.encode(b), sectionEnd)
		case []string:
			b = name(append(b, listStart), e.Key)
			for _, item := range v {
				b = value(append(b, listItem), item)
			}
			b = append(b, listEnd)
		default:
			b = name(append(b, keyValue), e.Key)
			b = value(b, fmt.Sprint(v))
		}
	}
	return b
}

func name(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

func value(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

var errShort = errors.New("vici: message cut short")

// reader takes a vici message apart; its first failure sticks.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.b) {
		r.err = errShort
		return make([]byte, 2) // enough for a length
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) element() byte { return r.take(1)[0] }

func (r *reader) name() string { return string(r.take(int(r.take(1)[0]))) }

func (r *reader) value() string { return string(r.take(int(binary.BigEndian.Uint16(r.take(2))))) }

// decode reads a whole message.
func decode(b []byte) (Section, error) {
	r := &reader{b: b}
	s := r.section(true)
	return s, r.err
}

// section reads up to the section's end, or of the message at the top.
func (r *reader) section(top bool) Section {
	var s Section
	for r.err == nil {
		if top && len(r.b) == 0 {
			return s
		}
		switch kind := r.element(); kind {
		case sectionEnd:
			return s
		case sectionStart:
			s = append(s, Entry{r.name(), r.section(false)})
		case keyValue:
			s = append(s, Entry{r.name(), r.value()})
		case listStart:
			s = append(s, Entry{r.name(), r.list()})
		default:
			r.err = fmt.Errorf("vici: element %d where a key or an end should be", kind)
		}
	}
	return s
}

func (r *reader) list() []string {
	var items []string
	for r.err == nil {
		switch kind := r.element(); kind {
		case listItem:
			items = append(items, r.value())
		case listEnd:
			return items
		default:
			r.err = fmt.Errorf("vici: element %d in a list", kind)
		}
	}
	return items
}
