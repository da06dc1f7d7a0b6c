package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// decode reads the TOML of one file: its values and where they stand, or the
// fault that keeps it from being read.
func decode(f File) (map[string]any, *place, *Fault) {
	switch {
	case f.Err != nil:
		return nil, nil, fault(f, 0, f.Err.Error(), "")
	case len(f.Data) > MaxSize:
		return nil, nil, fault(f, 0, errTooLarge.Error(), "")
	}
	text := string(f.Data)
	scan := newScanner(text)
	stopped := scan.scan()
	switch {
	case errors.Is(stopped, errNesting):
		return nil, nil, fault(f, scan.line, stopped.Error(), "no value here has more than two levels")
	case errors.Is(stopped, errParts):
		return nil, nil, fault(f, scan.line, stopped.Error(), fmt.Sprintf("%d are the most", maxParts))
	case stopped != nil:
		text = text[:scan.pos+lineRest(text[scan.pos:])]
	}
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		return nil, nil, syntax(f, err)
	}
	if stopped != nil {
		return nil, nil, fault(f, scan.line, "this line is not understood", "")
	}
	return values, scan.root, nil
}

func fault(f File, line int, what, do string) *Fault {
	return &Fault{File: f.Name, Line: line, What: what, Do: do}
}

// lineRest is how much of a text the library gets beyond what was scanned:
// enough to say what is wrong, too little to be deeply nested.
func lineRest(text string) int {
	rest := text[:min(len(text), 1024)]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		return i + 1
	}
	return len(rest)
}

// syntax turns an error of the library into a fault.
func syntax(f File, err error) *Fault {
	var p toml.ParseError
	if !errors.As(err, &p) {
		return fault(f, 0, "this is no TOML", "")
	}
	do := "write it as TOML wants it; text stands between double quotes"
	if strings.HasPrefix(p.Message, definedTwice) {
		do = "keep one of the two"
	}
	return fault(f, p.Position.Line, "this is not valid TOML: "+withoutValue(p.Message), do)
}

// definedTwice begins the library's messages about names.
const definedTwice = "Key '"

// harmless are the beginnings of those messages of the library that hold none
// of the file's values, once what comes after "but got" is cut off.
var harmless = []string{definedTwice, "expected ", "unexpected ", "strings cannot ", "newlines ", "floats ",
	"files cannot ", "TOML files cannot ", "invalid UTF-8 "}

// quotation is from the first quote of a message to the last.
var quotation = regexp.MustCompile(`(?s):? *["'].*["']`)

// withoutValue takes the values out of a message of the library: one of them
// may be a pre-shared key that lacks its quotes.
func withoutValue(message string) string {
	if strings.Contains(message, " is out of range for ") {
		return "a number is too large"
	}
	if !strings.HasPrefix(message, definedTwice) {
		message = foundInstead.ReplaceAllString(message, "")
	}
	for _, beginning := range harmless {
		if strings.HasPrefix(message, beginning) {
			return shorten(strings.TrimSuffix(message, "."), 200)
		}
	}
	return strings.TrimSuffix(quotation.ReplaceAllString(message, ""), ".")
}

// foundInstead is the part of a message that repeats the file.
var foundInstead = regexp.MustCompile(`(?s),? but (got|found) .*`)
