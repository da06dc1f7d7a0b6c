package plan_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// The example configurations that are shipped can be loaded, and warn of
// nothing but what the quick start is known for.
func TestExamples(t *testing.T) {
	for _, path := range glob(t, "../../packaging/examples/*.toml") {
		t.Run(path, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.ParseWith([]config.File{{Name: "/etc/twinspan/twinspan.toml", Data: data, Mode: 0o600}}, keyFile)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.Make(c)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{"minimal.toml": 1}[filepath.Base(path)] // its key is that of the description
			if len(p.Warnings) != want {
				t.Errorf("the warnings are %v", p.Warnings)
			}
		})
	}
}

// keyFile has a key in the files that the examples name.
func keyFile(name string) (config.File, error) {
	switch key, _ := strings.CutPrefix(name, "/etc/twinspan/"); key {
	case "beijing.psk", "beijing-old.psk", "shanghai.psk", "branch.psk", "mail.password", "pager.token":
		return config.File{Name: name, Data: []byte("the long key of " + key + "\n"), Mode: 0o600}, nil
	}
	return config.File{}, fs.ErrNotExist
}
