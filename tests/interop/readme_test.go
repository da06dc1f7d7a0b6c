package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/tests/twin"
)

// The README's configuration is one that the programs take.
func TestTheReadmesConfigurationIsValid(t *testing.T) {
	bin, err := twin.Programs()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(read(t, "README.md"), "```toml\n")
	text, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README.md shows no configuration")
	}
	file := filepath.Join(t.TempDir(), "twinspan.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(bin, "twinspan"), "check", file).CombinedOutput(); err != nil {
		t.Errorf("twinspan check: %v\n%s", err, out)
	}
}

// read is a file at the top of the tree.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What the README tells people to make, the Makefile can make, and what it says
// is in the tree is there.
func TestTheReadmeSpeaksOfWhatExists(t *testing.T) {
	readme, makefile := read(t, "README.md"), read(t, "Makefile")
	targets := regexp.MustCompile(`\bmake ([a-z]+)`).FindAllStringSubmatch(readme, -1)
	if len(targets) == 0 {
		t.Error("README.md tells nothing to make")
	}
	for _, m := range targets {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("README.md says %q, which the Makefile does not know", m[0])
		}
	}
	for _, m := range regexp.MustCompile("(?:`|\\()([a-zA-Z]+/?[a-zA-Z/.]*(?:/|\\.md|\\.toml))(?:`|\\))").FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Errorf("README.md speaks of %s: %v", m[1], err)
		}
	}
}
