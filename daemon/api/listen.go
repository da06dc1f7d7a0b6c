package api

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// Listen opens the control socket at path, mode 0660 and of the daemon's
// group. A socket that a dead daemon left behind is replaced; one that
// answers, and a file that is no socket, are errors.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := clearStale(path); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	// The umask is the process's, so the socket is made under a name that
	// nobody knows and shown under its own once its mode is right.
	private := fmt.Sprintf("%s.%d", path, os.Getpid())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := show(private, path); err != nil {
		l.Close()
		os.Remove(private)
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &listener{l, path}, nil
}

func show(private, path string) error {
	if err := os.Chmod(private, 0o660); err != nil {
		return err
	}
	return os.Rename(private, path)
}

// clearStale makes way for a new socket.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return errors.New("there is a file that is no socket; remove it, or give another path with --socket")
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return errors.New("another twinspand answers there; stop it first (systemctl stop twinspand), or give another path with --socket")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// listener removes the socket under the name that it was shown by.
type listener struct {
	net.Listener
	path string
}

func (l *listener) Close() error {
	err := l.Listener.Close()
	if e := os.Remove(l.path); e != nil && !errors.Is(e, os.ErrNotExist) && err == nil {
		err = e
	}
	return err
}
