package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// The manual page is written by hand: it has every flag and its default, or
// this fails.
func TestManualIsComplete(t *testing.T) {
	raw, err := os.ReadFile("../../packaging/man/twinspand.8")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(raw), `\-`, "-")
	root := newRoot(io.Discard)
	root.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	flags := 0
	root.Flags().VisitAll(func(f *pflag.Flag) {
		flags++
		if !strings.Contains(page, "--"+f.Name) {
			t.Errorf("twinspand.8 does not have --%s", f.Name)
		}
		if strings.HasPrefix(f.DefValue, "/") && !strings.Contains(page, f.DefValue) {
			t.Errorf("twinspand.8 does not have %s, the default of --%s", f.DefValue, f.Name)
		}
	})
	if flags != 8 {
		t.Errorf("%d flags looked at, want the six and --help and --version", flags)
	}
}
