package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
)

var update = flag.Bool("update", false, "write the expected faults anew; the diff is the review")

// Each file, or directory of files, of testdata/faults has its faults beside
// it in a file of the same name that ends in .txt.
func TestFaults(t *testing.T) {
	for _, path := range glob(t, "testdata/faults/*") {
		if strings.HasSuffix(path, ".txt") {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".toml")
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse(load(t, path))
			var faults config.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("the error is %v, not Faults", err)
			}
			golden(t, filepath.Join("testdata/faults", name+".txt"), faults.Error()+"\n")
		})
	}
}

// golden holds text against a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: the faults are\n%s\nbut should be\n%s", name, got, want)
	}
}

// load reads a file, or those of a directory, as if only the daemon could open
// them, and calls them by their base names.
func load(t *testing.T, path string) []config.File {
	t.Helper()
	names := []string{path}
	if info, err := os.Stat(path); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		names = glob(t, filepath.Join(path, "*.toml"))
	}
	var files []config.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, config.File{Name: filepath.Base(name), Data: data, Mode: 0o600})
	}
	return files
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}
