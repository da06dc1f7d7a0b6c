package crypt

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vector is one record of a file of known answers. "section" is the last
// [heading] before it.
type vector map[string]string

// hex reads one of the vector's values.
func (v vector) hex(t testing.TB, key string) []byte {
	t.Helper()
	s, ok := v[key]
	if !ok {
		t.Fatalf("no %s in %v", key, v)
	}
	return unhex(t, s)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

// vectors reads a file of "KEY = value" lines. A record begins with first.
func vectors(t testing.TB, path, first string) []vector {
	t.Helper()
	f, err := os.Open("testdata/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []vector
	section := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, ok := strings.Cut(line, " = ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if key == first {
			all = append(all, vector{"section": section})
		}
		if len(all) > 0 {
			all[len(all)-1][key] = value
		}
	}
	if lines.Err() != nil || len(all) == 0 {
		t.Fatalf("%s: %d records, %v", path, len(all), lines.Err())
	}
	return all
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
