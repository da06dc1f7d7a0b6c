package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExitCodes(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "twinspan.toml")
	if err := os.WriteFile(broken, []byte("[vpc.V]\nregoin = \"x\"\ncidr = [\"10.0.0.0/99\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"version", []string{"--version"}, exitDone, []string{"twinspand "}},
		{"help", []string{"--help"}, exitDone, []string{"--cleanup", "--log-level"}},
		{"no such flag", []string{"--confg", "x"}, exitUsage, []string{"unknown flag", "twinspand --help"}},
		{"guard and cleanup", []string{"--guard", "--cleanup"}, exitUsage, []string{"guard", "cleanup"}},
		{"the guard of no files", []string{"--guard", "--config", "/nowhere/twinspan"}, exitInvalid, []string{"/nowhere/twinspan"}},
		{"no such level", []string{"--log-level", "loud"}, exitUsage, []string{"loud"}},
		{"a word too many", []string{"start"}, exitUsage, []string{"unknown command"}},
		{"no files", []string{"--config", "/nowhere/twinspan"}, exitInvalid, []string{"/nowhere/twinspan", "no such file"}},
		{"faults, all of them", []string{"--config", broken}, exitInvalid, []string{":2: ", "region", ":3: ", "10.0.0.0/99"}},
	} {
		var out bytes.Buffer
		code := run(context.Background(), tc.args, &out, &out)
		if code != tc.code {
			t.Errorf("%s: exit %d, want %d", tc.name, code, tc.code)
		}
		for _, s := range tc.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%s: %q is not in\n%s", tc.name, s, &out)
			}
		}
	}
}

func TestHangupAsksForAReload(t *testing.T) {
	reload := make(chan struct{}, 1)
	stop := onHangup(reload)
	for range 2 { // the second while the first may still wait is the same wish
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-reload:
	case <-time.After(20 * time.Second):
		t.Error("SIGHUP asks for nothing")
	}
	stop()
}
