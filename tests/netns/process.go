package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs in a namespace.
type Process struct {
	cmd    *exec.Cmd
	output *log
	done   chan struct{} // closed when it ended
	err    error         // how; to be read after done
}

// Start starts a program in the namespace. Output goes where cmd says, and
// what it does not say is kept for Output. The program dies with this process,
// and a Ctrl-C in the terminal reaches this process only.
func (s *Space) Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, output: &log{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.output
	}
	cmd.WaitDelay = time.Second // a child of its own that keeps the output open must not keep us
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.Do(cmd.Start); err != nil { // a child is born into the namespace of the thread
		return nil, fmt.Errorf("start %s in namespace %s: %w", cmd.Path, s.Name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Run runs a program in the namespace to its end and returns what it wrote.
func (s *Space) Run(ctx context.Context, name string, args ...string) (string, error) {
	p, err := s.Start(exec.CommandContext(ctx, name, args...))
	if err != nil {
		return "", err
	}
	<-p.done
	if p.err != nil {
		return p.Output(), fmt.Errorf("%s %s in namespace %s: %w: %s", name, strings.Join(args, " "), s.Name, p.err, strings.TrimSpace(p.Output()))
	}
	return p.Output(), nil
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is nil while the program runs, else how it ended.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	if p.err != nil {
		return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, p.err, tail(p.Output(), 10))
	}
	return fmt.Errorf("%s ended: %s", p.cmd.Path, tail(p.Output(), 10))
}

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what the program wrote so far.
func (p *Process) Output() string { return p.output.String() }

// Signal sends a signal; a program that has ended is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if err != nil && p.Err() == nil {
		return fmt.Errorf("signal %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Stop asks the program to end, and kills it when it does not in time. An
// error says that it had to be killed, or that it ended badly.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.Signal(syscall.SIGQUIT) // a Go program then tells where it hangs
		select {
		case <-p.done:
		case <-time.After(Patience(time.Second)):
			p.Kill()
		}
		return fmt.Errorf("%s did not end within %v and was killed: %s", p.cmd.Path, grace, tail(p.Output(), 200))
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil // it has no handler of its own
	}
	if p.err != nil {
		return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, p.err, tail(p.Output(), 10))
	}
	return nil
}

// Kill ends the program at once, as a crash would.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// log collects what a program writes.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
