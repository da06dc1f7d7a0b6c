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

// oneWord is for command lines without quotes: a space ends a word, and a
// question mark asks for help.
func oneWord(least, most int) spelling {
	return func(key []byte) (string, string) {
		switch {
		case !printableASCII(key) || strings.ContainsAny(string(key), " ?\"'\\"):
			return "", `characters that its command line does not take: write letters, digits and any of !#$%&()*+,-./:;<=>@[]^_{|}~`
		case len(key) < least || len(key) > most:
			return "", fmt.Sprintf("%d bytes, and it takes %d to %d", len(key), least, most)
		}
		return string(key), ""
	}
}

// fortiKey is quotedOrHex within FortiOS's bounds; a question mark asks for help
// there even between quotes.
func fortiKey(key []byte) (string, string) {
	text, wrong := quotedOrHex(key)
	if strings.Contains(text, "?") {
		text = fmt.Sprintf("0x%x", key)
	}
	if len(key) < 6 || len(key) > 100 {
		return "", fmt.Sprintf("%d bytes, and it takes 6 to 100", len(key))
	}
	return text, wrong
}

// junosKey has the word for its kind in front.
func junosKey(key []byte) (string, string) {
	if len(key) > 127 {
		return "", fmt.Sprintf("%d bytes, and it takes 127 at most", len(key))
	}
	if !printableASCII(key) || strings.ContainsAny(string(key), `?"\`) {
		return fmt.Sprintf("hexadecimal %x", key), ""
	}
	return `ascii-text "` + string(key) + `"`, ""
}

// rosKey is a RouterOS string that is not taken for hexadecimal: what is special
// in it is written as \XX.
func rosKey(key []byte) (string, string) {
	if strings.HasPrefix(string(key), "0x") {
		return fmt.Sprintf(`"0x%x"`, key), ""
	}
	var b strings.Builder
	for _, c := range key {
		if c < ' ' || c > '~' || strings.IndexByte("\"\\$?", c) >= 0 {
			fmt.Fprintf(&b, `\%02X`, c)
			continue
		}
		b.WriteByte(c)
	}
	return `"` + b.String() + `"`, ""
}

// vyosKey goes between single quotes on the command line and then between
// double ones in the file that VyOS makes of it.
func vyosKey(key []byte) (string, string) {
	if !printableASCII(key) || strings.ContainsAny(string(key), "'\"\\") {
		return "", `characters that it does not keep: write printable ASCII without ' " and \`
	}
	if strings.HasPrefix(string(key), "0x") || strings.HasPrefix(string(key), "0s") {
		return "", "0x or 0s at its beginning, which it takes for an encoding: begin it otherwise"
	}
	return "'" + string(key) + "'", ""
}

// formKey is typed into a field of a web page, which cuts spaces off.
func formKey(key []byte) (string, string) {
	s := string(key)
	if !printableASCII(key) || strings.TrimSpace(s) != s {
		return "", "characters that its form does not keep: write printable ASCII, no space at the ends"
	}
	return s, ""
}

// psText is a PowerShell string between single quotes.
func psText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// psKey is one: Windows does not say how it turns other characters into bytes.
func psKey(key []byte) (string, string) {
	if !printableASCII(key) {
		return "", "characters beyond ASCII, and what bytes it makes of them is not known: write ASCII"
	}
	return psText(string(key)), ""
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
