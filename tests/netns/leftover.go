package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Leftover is a program that runs in a namespace.
type Leftover struct {
	PID     int
	Command string
}

// Programs lists what runs in the namespace.
func (s *Space) Programs() ([]Leftover, error) {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, err
	}
	var found []Leftover
	for _, link := range links {
		inode, err := inodeOf(link)
		if err != nil || inode != s.inode {
			continue // it ended meanwhile, or lives elsewhere
		}
		dir := filepath.Dir(filepath.Dir(link))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue // this process: one of its threads looks in, at this moment
		}
		found = append(found, Leftover{pid, commandOf(dir)})
	}
	return found, nil
}

// reap kills what still runs in the namespace and tells.
func (s *Space) reap() error {
	if s.inode == 0 {
		return nil // never got so far as to run anything
	}
	left, err := s.Programs()
	for _, p := range left {
		err = errors.Join(err, fmt.Errorf("namespace %s: %q (%d) was left running and is killed now", s.Name, p.Command, p.PID))
		_ = syscall.Kill(p.PID, syscall.SIGKILL) // gone is as good
	}
	return err
}

// commandOf is the command line of a process by its directory in /proc.
func commandOf(dir string) string {
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
}

// inodeOf names a namespace: two links with the same inode are the same one.
func inodeOf(link string) (uint64, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(link, &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", link, err)
	}
	return st.Ino, nil
}
