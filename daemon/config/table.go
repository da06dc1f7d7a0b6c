package config

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// table is one TOML table while it is read. Whatever key is asked for is
// known; what is left when it is closed is not.
type table struct {
	p      *parser
	noun   string // what it is a part of, as messages call it: `tunnel "b"`
	prefix string // before its keys in messages: "ike."
	values map[string]any
	place  *place
	known  []string
}

// pos is where a key stands, or the table's header where the key is absent.
func (t *table) pos(key string) Pos { return Pos{t.p.file.Name, t.place.key(key).at()} }

// here is where the table's header stands.
func (t *table) here() Pos { return Pos{t.p.file.Name, t.place.at()} }

// get is the value of a key, which is known from now on.
func (t *table) get(key string) (any, bool) {
	t.known = append(t.known, key)
	v, ok := t.values[key]
	return v, ok
}

// fault reports what is wrong at a place of this table.
func (t *table) fault(at Pos, what, do string) {
	if t.noun != "" {
		what = t.noun + ": " + what
	}
	t.p.faults = append(t.p.faults, at.Fault(what, do))
}

// missing reports that a key must be there.
func (t *table) missing(key, do string) {
	t.fault(t.here(), t.prefix+key+" is missing", do)
}

// close reports the keys that nobody asked for.
func (t *table) close() {
	slices.Sort(t.known)
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if _, found := slices.BinarySearch(t.known, key); found {
			continue
		}
		do := "write one of " + strings.Join(t.known, ", ")
		if meant, ok := Nearest(key, t.known); ok {
			do = "did you mean " + meant + "?"
		}
		t.fault(t.pos(key), "unknown key "+quote(t.prefix+key, 2*longest), do)
	}
}

// sub is a table in this one. It is empty when it is absent, so that its
// defaults hold, and when it is something else, which is reported.
func (t *table) sub(key string) *table {
	v, ok := t.get(key)
	values, isTable := v.(map[string]any)
	if ok && !isTable {
		t.fault(t.pos(key), t.prefix+key+" must be a table, not "+kind(v), "give it a header in brackets, with its keys below")
	}
	return &table{p: t.p, noun: t.noun, prefix: t.prefix + key + ".", values: values, place: t.place.key(key)}
}

// named gives the tables of a table whose keys are names, in the order of the
// names. kind is what messages call one of them.
func (t *table) named(key, kind string) iter.Seq2[string, *table] {
	all := t.sub(key)
	return func(yield func(string, *table) bool) {
		for _, name := range slices.Sorted(maps.Keys(all.values)) {
			one := all.sub(name)
			one.noun, one.prefix = nounOf(t.noun, kind, name), ""
			if what := badName(name); what != "" {
				one.fault(one.here(), what, fmt.Sprintf("names have 1 to %d characters, none of them a control character", longest))
			}
			if !yield(name, one) {
				return
			}
		}
	}
}

// nounOf names a resource, in another one where it is a part of that.
func nounOf(whole, kind, name string) string {
	noun := kind + " " + quote(name, longest)
	if whole != "" {
		return whole + ", " + noun
	}
	return noun
}

// badName says what is wrong with a name, "" for nothing.
func badName(name string) string {
	n := 0
	for _, r := range name {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return "this name has a control character"
		}
		n++
	}
	switch {
	case strings.TrimSpace(name) == "":
		return "this name is empty"
	case n > longest:
		return fmt.Sprintf("this name has %d characters", n)
	}
	return ""
}

// list gives the tables of an array of tables.
func (t *table) list(key, example string) []*table {
	v, ok := t.get(key)
	values, isTables := tables(v)
	if ok && !isTables {
		t.fault(t.pos(key), t.prefix+key+" must be a list of tables, not "+kind(v), "write "+example+" with its keys below")
	}
	out := make([]*table, len(values))
	for i, one := range values {
		out[i] = &table{p: t.p, noun: fmt.Sprintf("%s, %s %d", t.noun, key, i+1),
			values: one, place: t.place.key(key).item(i)}
	}
	return out
}

// tables is an array of tables in either of its spellings: [[key]], or a list
// of inline tables.
func tables(v any) ([]map[string]any, bool) {
	switch v := v.(type) {
	case []map[string]any:
		return v, true
	case []any:
		out := make([]map[string]any, len(v))
		for i, item := range v {
			one, ok := item.(map[string]any)
			if !ok {
				return nil, false
			}
			out[i] = one
		}
		return out, true
	}
	return nil, false
}

// kind is what a TOML value is, in words.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a fraction"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	}
	return "a date"
}

// quote puts a word of a file between quotes, shortened to n runes, with what
// a terminal would obey made visible.
func quote(word string, n int) string {
	return strconv.Quote(shorten(word, n))
}

// shorten keeps at most n runes of a text.
func shorten(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "..."
	}
	return text
}
