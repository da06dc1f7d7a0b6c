// Package twin runs the programs as they are shipped: twinspand in a network
// namespace, with a configuration file and a control socket of its own, and
// twinspan to command it. It knows what people know, the files and the command
// line, and nothing of what is inside.
package twin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
)

// Programs is the directory of the programs to run: $TWINSPAN_BIN, or bin at
// the top of the tree. `make` builds them.
func Programs() (string, error) {
	dir := os.Getenv("TWINSPAN_BIN")
	if dir == "" {
		top, err := top()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(top, "bin")
	}
	for _, program := range []string{"twinspand", "twinspan"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return "", fmt.Errorf("%w; build the programs first: make", err)
		}
	}
	return filepath.Abs(dir)
}

// top is the directory of go.mod, at or above the working directory.
func top() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above; set TWINSPAN_BIN to the directory of the programs")
		}
		dir = up
	}
}

// Daemon is a twinspand in a namespace.
type Daemon struct {
	space   *netns.Space
	bin     string
	dir     string
	process *netns.Process
	past    string // what former processes logged
}

// New prepares a daemon without starting it. Its files are in a new directory
// that Close removes.
func New(space *netns.Space) (*Daemon, error) {
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "twin") // short: the path of a socket holds 107 bytes
	if err != nil {
		return nil, err
	}
	return &Daemon{space: space, bin: bin, dir: dir}, nil
}

// ConfigPath is the daemon's configuration file.
func (d *Daemon) ConfigPath() string { return filepath.Join(d.dir, "twinspan.toml") }

// Socket is the control socket.
func (d *Daemon) Socket() string { return filepath.Join(d.dir, "control.sock") }

// Configure writes the configuration file. The daemon reads it at Start and at
// Reload.
func (d *Daemon) Configure(text string) error {
	return os.WriteFile(d.ConfigPath(), []byte(text), 0o600)
}

// Start starts the daemon, and returns once it answers.
func (d *Daemon) Start(ctx context.Context) error {
	cmd := exec.Command(filepath.Join(d.bin, "twinspand"), "--config", d.ConfigPath(), "--socket", d.Socket(), "--state", d.dir)
	d.past = d.Log()
	var err error
	if d.process, err = d.space.Start(cmd); err != nil {
		return err
	}
	return netns.Until(ctx, func() error {
		if ended := d.process.Err(); ended != nil {
			return fmt.Errorf("twinspand: %w", ended)
		}
		_, err := d.Command(ctx, "status", "--json")
		return err
	})
}

// Cleanup takes what a stopped daemon left on its host off it.
func (d *Daemon) Cleanup(ctx context.Context) error {
	_, err := d.space.Run(ctx, filepath.Join(d.bin, "twinspand"), "--cleanup")
	return err
}

// Command runs twinspan and returns what it wrote to its standard output. The
// error holds what it wrote to the other.
func (d *Daemon) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "twinspan"), append([]string{"--socket", d.Socket()}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s%s", err, out, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return string(out), fmt.Errorf("twinspan %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// Reload has the daemon read its file again.
func (d *Daemon) Reload(ctx context.Context) (string, error) { return d.Command(ctx, "reload") }

// Up negotiates a tunnel and waits until it is up.
func (d *Daemon) Up(ctx context.Context, tunnel string, limit time.Duration) (string, error) {
	return d.Command(ctx, "up", tunnel, "--wait="+limit.String())
}

// Rekey replaces a tunnel's keys: "ike", "ipsec", or "" for both.
func (d *Daemon) Rekey(ctx context.Context, tunnel, phase string) (string, error) {
	args := []string{"rekey", tunnel}
	if phase != "" {
		args = append(args, phase)
	}
	return d.Command(ctx, args...)
}

// Down closes a tunnel.
func (d *Daemon) Down(ctx context.Context, tunnel string) (string, error) {
	return d.Command(ctx, "down", tunnel)
}

// Status is what the daemon says of itself.
func (d *Daemon) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	out, err := d.Command(ctx, "status", "--json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return s, fmt.Errorf("twinspan status --json: %w", err)
	}
	return s, nil
}

// Tunnel is the status of one tunnel.
func (d *Daemon) Tunnel(ctx context.Context, name string) (api.Tunnel, error) {
	s, err := d.Status(ctx)
	if err != nil {
		return api.Tunnel{}, err
	}
	for _, t := range s.Tunnels {
		if t.Name == name {
			return t, nil
		}
	}
	return api.Tunnel{}, fmt.Errorf("twinspan status names no tunnel %q", name)
}

// Why is how a tunnel came to the state that it is in.
func (d *Daemon) Why(ctx context.Context, name string) (api.Why, error) {
	var w api.Why
	out, err := d.Command(ctx, "why", name, "--json")
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal([]byte(out), &w); err != nil {
		return w, fmt.Errorf("twinspan why --json: %w", err)
	}
	return w, nil
}

// Log is what the daemon logged so far, over all its starts.
func (d *Daemon) Log() string {
	if d.process == nil {
		return ""
	}
	return d.past + d.process.Output()
}

// PID is the process id of the daemon that runs, or ran last.
func (d *Daemon) PID() int { return d.process.PID() }

// Kill ends the daemon as a crash would.
func (d *Daemon) Kill() { d.process.Kill() }

// Signal sends the daemon a signal: SIGSTOP freezes it, SIGCONT lets it go on.
func (d *Daemon) Signal(sig syscall.Signal) error { return d.process.Signal(sig) }

// Stop ends the daemon in order; one that does not run is no error.
func (d *Daemon) Stop() error {
	if d.process == nil || d.process.Err() != nil {
		return nil
	}
	return d.process.Stop(netns.Patience(8 * time.Second))
}

// Close stops the daemon and removes its files.
func (d *Daemon) Close() error { return errors.Join(d.Stop(), os.RemoveAll(d.dir)) }
