package config

import (
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
)

// Bounds that the TOML library does not have: it recurses for each level of an
// array until the stack is full, and takes time that grows with the square, or
// worse, of the levels of a name.
const (
	maxNesting = 8 // of arrays and inline tables
	maxParts   = 8 // of a dotted key
)

var (
	errNesting  = errors.New("arrays or inline tables are nested too deeply")
	errParts    = errors.New("a dotted key has too many parts")
	errScanning = errors.New("this is no TOML")
)

// scanner finds where things stand in a TOML text. It leaves it to the library
// to say what is wrong with a text: it only stops where it does not understand
// it, so that the library is never given what was not scanned.
type scanner struct {
	text    string
	pos     int
	line    int
	nesting int
	root    *place
	table   *place // the one of the last header
}

func newScanner(text string) *scanner {
	s := &scanner{text: text, line: 1, root: &place{line: 1}}
	s.table = s.root
	if strings.HasPrefix(text, "\ufeff") {
		s.pos = len("\ufeff")
	}
	return s
}

// scan goes through the whole text. After an error pos and line are where it
// was found.
func (s *scanner) scan() error {
	for {
		if err := s.blank(); err != nil || s.pos == len(s.text) {
			return err
		}
		statement := s.assignment
		if s.peek() == '[' {
			statement = s.header
		}
		if err := statement(s.table); err != nil {
			return err
		}
		if err := s.endOfLine(); err != nil {
			return err
		}
	}
}

// header reads [name] or [[name]], and makes it the table of what follows.
func (s *scanner) header(*place) error {
	line, open, end := s.line, 1, "]"
	if strings.HasPrefix(s.text[s.pos:], "[[") {
		open, end = 2, "]]"
	}
	s.pos += open
	name, err := s.name()
	if err != nil {
		return err
	}
	if !s.take(end) {
		return errScanning
	}
	p := s.root.walk(name, line).enter(name[len(name)-1], line)
	if open == 2 {
		p.items = append(p.items, &place{line: line})
	} else {
		p.line = line // it may have been made by the header of a table in it
	}
	s.table = p.last()
	return nil
}

// assignment reads name = value into a table.
func (s *scanner) assignment(table *place) error {
	line := s.line
	name, err := s.name()
	if err != nil {
		return err
	}
	if !s.take("=") {
		return errScanning
	}
	s.spaces()
	p := table.walk(name, line).enter(name[len(name)-1], line)
	return s.value(p)
}

// value reads any value; p is its place.
func (s *scanner) value(p *place) error {
	switch s.peek() {
	case '"', '\'':
		_, err := s.quoted(true)
		return err
	case '[':
		return s.nested(func() error { return s.array(p) })
	case '{':
		return s.nested(func() error { return s.inlineTable(p) })
	}
	if s.run(isBare) == "" {
		return errScanning
	}
	return nil
}

// nested reads what begins with a bracket, if that is not too deep.
func (s *scanner) nested(read func() error) error {
	if s.nesting == maxNesting {
		return errNesting
	}
	s.nesting++
	s.pos++
	err := read()
	s.nesting--
	return err
}

func (s *scanner) array(p *place) error {
	return s.elements("]", func() error {
		item := &place{line: s.line}
		p.items = append(p.items, item)
		return s.value(item)
	})
}

func (s *scanner) inlineTable(p *place) error {
	return s.elements("}", func() error { return s.assignment(p) })
}

// elements reads what commas separate, up to the end.
func (s *scanner) elements(end string, element func() error) error {
	for {
		if err := s.blank(); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if err := element(); err != nil {
			return err
		}
		if err := s.blank(); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if !s.take(",") {
			return errScanning
		}
	}
}

// name reads a key, dotted or not.
func (s *scanner) name() ([]string, error) {
	var parts []string
	for {
		if len(parts) == maxParts {
			return nil, errParts
		}
		s.spaces()
		part, err := s.part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		s.spaces()
		if !s.take(".") {
			return parts, nil
		}
	}
}

// part reads one part of a key.
func (s *scanner) part() (string, error) {
	if c := s.peek(); c != '"' && c != '\'' {
		if part := s.run(isBareKey); part != "" {
			return part, nil
		}
		return "", errScanning
	}
	raw, err := s.quoted(false)
	if err != nil {
		return "", err
	}
	if raw[0] == '\'' || !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1], nil
	}
	var v struct{ K string }
	if err := toml.Unmarshal([]byte("K = "+raw), &v); err != nil { // the library knows the escapes
		return "", errScanning
	}
	return v.K, nil
}
