package interop

import (
	"os"
	"os/exec"
	"path/filepath"
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
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```toml\n")
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
