package courier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
)

// Hook runs a program and gives it the notices as JSON on its standard input.
type Hook struct {
	Command []string // the program and its arguments; no shell reads them
}

// Deliver runs the program to its end. What it started ends with it.
func (h Hook) Deliver(ctx context.Context, notices []alarm.Notice) error {
	data, err := json.Marshal(notices)
	if err != nil {
		return Refused{err}
	}
	out := &bounded{}
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(data, '\n')), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", h.Command[0], err, strings.TrimSpace(out.String()))
	}
	return nil
}

// bounded keeps the beginning of what is written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := 300 - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
