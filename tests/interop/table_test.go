package interop

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// tableVar names the file that the rows of the table are added to. tests/all
// sets it, for the runs on both planes, and prints the table at its end.
const tableVar = "TWINSPAN_TABLE"

// TestMain keeps the table of a run by itself, and prints it.
func TestMain(m *testing.M) {
	if os.Getenv(tableVar) != "" {
		os.Exit(m.Run())
	}
	os.Exit(withTable(m))
}

func withTable(m *testing.M) int {
	file, err := os.CreateTemp("", "table")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := os.Setenv(tableVar, file.Name()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if rows, err := os.ReadFile(file.Name()); err == nil {
		os.Stdout.Write(rows)
	}
	return code
}

// record adds a row to the table when the test ends.
func record(t *testing.T, peer, name string) {
	t.Helper()
	begun := time.Now()
	t.Cleanup(func() {
		if err := addRow(verdict(t), peer, name, time.Since(begun)); err != nil {
			t.Error(err)
		}
	})
}

func verdict(t *testing.T) string {
	switch {
	case t.Failed():
		return "FAIL"
	case t.Skipped():
		return "skip"
	}
	return "pass"
}

func addRow(result, peer, name string, took time.Duration) error {
	file, err := os.OpenFile(os.Getenv(tableVar), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s  %-10s  %-9s  %6.1fs  %s\n", result, planeWord(), peer, took.Seconds(), name)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
