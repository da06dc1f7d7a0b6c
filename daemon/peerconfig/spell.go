package peerconfig

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// spelling writes a key as a device's file has it, between quotes where it has
// them. What cannot be expressed is told without a word of the key.
type spelling func(key []byte) (text, wrong string)

// printableASCII tells that all of a key can be typed anywhere.
func printableASCII(key []byte) bool {
	for _, c := range key {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// quotedOrHex puts quotes round what can be typed, with a backslash before
// quotes and backslashes, and writes all else as hexadecimal.
func quotedOrHex(key []byte) (string, string) {
	if !printableASCII(key) || strings.HasPrefix(string(key), "0x") || strings.HasPrefix(string(key), "0s") {
		return fmt.Sprintf("0x%x", key), ""
	}
	return `"` + escapeQuotes.Replace(string(key)) + `"`, ""
}

var escapeQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// rawOrHex puts quotes round what has none, as ipsec.secrets knows no escape.
func rawOrHex(key []byte) (string, string) {
	if !printableASCII(key) || strings.ContainsAny(string(key), `"\`) {
		return fmt.Sprintf("0x%x", key), ""
	}
	return `"` + string(key) + `"`, ""
}

// tomlText is a basic string of TOML.
func tomlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func tomlKey(key []byte) (string, string) {
	if !utf8.Valid(key) {
		return "", "bytes that are no UTF-8: keep it in a file, and name that as pre_shared_key_file there"
	}
	return tomlText(string(key)), ""
}

// bare is what a key of TOML may be without quotes.
var bare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// tomlName is a part of a table's header.
func tomlName(name string) string {
	if bare.MatchString(name) {
		return name
	}
	return tomlText(name)
}

// plainName is a domain name that every device can be told.
var plainName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// ascii is a comment that no device's terminal chokes on.
func ascii(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}
