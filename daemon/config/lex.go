package config

import "strings"

// The small parts of the scanner: what TOML's text is made of.

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// take goes over what is expected, if it is there.
func (s *scanner) take(what string) bool {
	if !strings.HasPrefix(s.text[s.pos:], what) {
		return false
	}
	s.pos += len(what)
	return true
}

// run goes over the bytes of a class and returns them.
func (s *scanner) run(class func(byte) bool) string {
	from := s.pos
	for s.pos < len(s.text) && class(s.text[s.pos]) {
		s.pos++
	}
	return s.text[from:s.pos]
}

func (s *scanner) spaces() { s.run(func(c byte) bool { return c == ' ' || c == '\t' }) }

// newline goes over the end of a line.
func (s *scanner) newline() bool {
	if s.take("\n") || s.take("\r\n") {
		s.line++
		return true
	}
	return false
}

// comment goes over a comment, if there is one, up to the end of the line.
func (s *scanner) comment() error {
	if !s.take("#") {
		return nil
	}
	s.run(func(c byte) bool { return !isControl(c) })
	if rest := s.text[s.pos:]; rest == "" || rest[0] == '\n' || strings.HasPrefix(rest, "\r\n") {
		return nil
	}
	return errScanning
}

// blank goes over everything that means nothing: spaces, lines and comments.
func (s *scanner) blank() error {
	for {
		s.spaces()
		if err := s.comment(); err != nil {
			return err
		}
		if !s.newline() {
			return nil
		}
	}
}

// endOfLine goes over what may follow a statement.
func (s *scanner) endOfLine() error {
	s.spaces()
	if err := s.comment(); err != nil {
		return err
	}
	if s.pos < len(s.text) && !s.newline() {
		return errScanning
	}
	return nil
}

// quoted goes over a string and returns it with its quotes. Values may have
// three quotes and many lines, keys may not.
func (s *scanner) quoted(value bool) (string, error) {
	from, quote := s.pos, s.text[s.pos:s.pos+1]
	if !value || !s.take(strings.Repeat(quote, 3)) {
		s.pos++
		return s.until(from, quote, false)
	}
	text, err := s.until(from, strings.Repeat(quote, 3), true)
	for range 2 { // one or two quotes may stand before the closing three
		if err == nil && s.take(quote) {
			text += quote
		}
	}
	return text, err
}

// until goes on to the closing quotes.
func (s *scanner) until(from int, quotes string, manyLines bool) (string, error) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case s.take(quotes):
			return s.text[from:s.pos], nil
		case c == '\\' && quotes[0] == '"' && s.pos+1 < len(s.text) && !isControl(s.text[s.pos+1]):
			s.pos += 2
		case manyLines && s.newline():
		case isControl(c):
			return "", errScanning
		default:
			s.pos++
		}
	}
	return "", errScanning
}

// isControl is true of what may not stand in a comment or a string. A line's
// end counts as one: those who allow it look for it first.
func isControl(c byte) bool { return c < 0x20 && c != '\t' || c == 0x7f }

// isBareKey is true of what a key may have without quotes.
func isBareKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// isBare is true of what numbers, truths and dates are made of. The space is
// that between a date and a time; it may as well stand before a comment.
func isBare(c byte) bool {
	return isBareKey(c) || c == '+' || c == '.' || c == ':' || c == ' ' || c == '\t'
}
