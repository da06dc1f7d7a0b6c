package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// FuzzParse holds for any text: no panic, the scanner and the library agree on
// what is TOML and what is in it, and no fault is without a place.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.toml", "testdata/*/*/*.toml", "../../packaging/examples/*.toml"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Add("a = \"\"\"x\"\"\"\"\"\nb = '''\r\n'''\r\n\"\\u00e9\" . 'c' = [ 1, # one\n 2 ]\n[[t]]\n[t.u]\n[[t]]\nu = {v = {w = 1}}")
	none := func(string) (File, error) { return File{}, fs.ErrNotExist }
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseWith([]File{{Name: "fuzz.toml", Data: []byte(text), Mode: 0o600}}, none)
		var faults Faults
		if errors.As(err, &faults) {
			for _, fault := range faults {
				if fault.File != "fuzz.toml" || fault.What == "" || fault.Line > strings.Count(text, "\n")+1 {
					t.Errorf("a fault without a place or a text: %+v", fault)
				}
			}
		}
		agree(t, text)
	})
}

// agree holds the scanner against the library, which skips the mark of UTF-16
// to find NUL bytes after it; we refuse it at once.
func agree(t *testing.T, text string) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return
	}
	scan := newScanner(text)
	stopped := scan.scan()
	if errors.Is(stopped, errNesting) || errors.Is(stopped, errParts) {
		return
	}
	var values map[string]any
	_, err := toml.Decode(text[:scan.pos+lineRest(text[scan.pos:])], &values)
	if err == nil && stopped != nil {
		t.Errorf("the scanner stops at line %d of what the library accepts: %v", scan.line, stopped)
	}
	if err == nil && stopped == nil {
		sameShape(t, "", values, scan.root)
	}
}

// sameShape holds that each value has its place.
func sameShape(t *testing.T, path string, v any, p *place) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if p.keys[key] == nil {
				t.Errorf("%s has no place for %q", path, key)
				continue
			}
			sameShape(t, path+"."+key, value, p.keys[key])
		}
	default:
		list, ok := tables(v)
		if !ok {
			return
		}
		if len(list) != len(p.items) {
			t.Errorf("%s has %d tables and %d places", path, len(list), len(p.items))
			return
		}
		for i := range list {
			sameShape(t, path, list[i], p.items[i])
		}
	}
}
