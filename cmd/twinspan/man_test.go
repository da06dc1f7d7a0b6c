package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The manual page is written by hand: it has every command, flag, state, exit
// code and variable, or this fails.
func TestManualIsComplete(t *testing.T) {
	raw, err := os.ReadFile("../../packaging/man/twinspan.1")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(raw), `\-`, "-")
	want := []string{socketVariable, "NO_COLOR", "LANG", stateUp, statePartlyUp, stateNegotiating, stateDown, stateDisabled, stateSilent, defaultConfig}
	for code := exitDone; code <= exitNotPermitted; code++ {
		want = append(want, ".B "+string(rune('0'+code))+"\n")
	}
	root := newRoot(terminal{getenv: func(string) string { return "" }})
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	var collect func(c *cobra.Command)
	collect = func(c *cobra.Command) {
		want = append(want, c.Name())
		if c.Parent() == root {
			want = append(want, `\fBtwinspan `+c.Name()) // in the synopsis
		}
		c.InitDefaultHelpFlag()
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { want = append(want, "--"+f.Name) })
		for _, sub := range c.Commands() {
			collect(sub)
		}
	}
	collect(root)
	if len(want) < 30 {
		t.Fatalf("only %d words to look for: %v", len(want), want)
	}
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("twinspan.1 does not have %q", w)
		}
	}
}
