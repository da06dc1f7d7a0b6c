package main

import (
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// terminal is where the program runs: its outputs and its environment.
type terminal struct {
	out, err io.Writer
	getenv   func(string) string
	tty      bool           // out is a terminal
	zone     *time.Location // of the times of day
}

func here() terminal {
	return terminal{os.Stdout, os.Stderr, os.Getenv, term.IsTerminal(int(os.Stdout.Fd())), time.Local}
}

// colour tells whether to colour: on a terminal only, and not against NO_COLOR
// (no-color.org: set and not empty).
func (t terminal) colour() bool {
	return t.tty && t.getenv("NO_COLOR") == "" && t.getenv("TERM") != "dumb"
}

// utf8 tells whether the locale can show more than ASCII. The first variable
// that is set decides, as in setlocale(3).
func (t terminal) utf8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := t.getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// The escape sequences of the colours in use (ECMA-48 SGR).
const (
	red         = "\x1b[31m"
	green       = "\x1b[32m"
	yellow      = "\x1b[33m"
	bold        = "\x1b[1m"
	faint       = "\x1b[2m"
	plain       = "\x1b[0m"
	clearScreen = "\x1b[H\x1b[2J"
)

// paint colours s where colours are shown.
func (t terminal) paint(colour, s string) string {
	if !t.colour() || colour == "" {
		return s
	}
	return colour + s + plain
}

// glyph is fancy where the locale can show it, else ascii.
func (t terminal) glyph(fancy, ascii string) string {
	if t.utf8() {
		return fancy
	}
	return ascii
}

// printable takes away what could command a terminal: names and faults hold
// words that the peer chose.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// wait pauses for d and tells whether the caller is still wanted.
func wait(done <-chan struct{}, d time.Duration) bool {
	select {
	case <-done:
		return false
	case <-time.After(d):
		return true
	}
}

// programVersion is what the build says of itself.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
