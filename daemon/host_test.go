package daemon

import (
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	bed "github.com/twinspan/twinspan/tests/netns"
	"golang.org/x/sys/unix"
)

func TestChoiceOfTheDataPlane(t *testing.T) {
	lacks := []string{"the kernel has no ESP for IPv4: try modprobe esp4"}
	for _, tc := range []struct {
		name, word string
		able       bool
		missing    []string
		err        error
		want       planeName
		says       string // in the warning or the error
	}{
		{"auto, able", "auto", true, nil, nil, planeKernel, ""},
		{"auto, able but for IPv6", "auto", true, lacks, nil, planeKernel, ""},
		{"auto, not able", "auto", false, lacks, nil, planeUserspace, "modprobe esp4"},
		{"auto, nobody knows", "auto", false, nil, errors.New("no permission"), planeUserspace, "no permission"},
		{"kernel, able", "kernel", true, nil, nil, planeKernel, ""},
		{"kernel, not able", "kernel", false, lacks, nil, "", "modprobe esp4"},
		{"kernel, nobody knows", "kernel", false, nil, errors.New("no permission"), "", "no permission"},
	} {
		got, warning, err := choose(tc.word, tc.able, tc.missing, tc.err)
		said := warning
		if err != nil {
			said = err.Error()
		}
		if got != tc.want || (err == nil) != (tc.want != "") || !strings.Contains(said, tc.says) || (tc.says == "") != (said == "") {
			t.Errorf("%s: %q, %q, %v", tc.name, got, warning, err)
		}
	}
	if got, warning, err := (linux{}).Choose("userspace"); got != planeUserspace || warning != "" || err != nil {
		t.Errorf("userspace: %q, %q, %v", got, warning, err)
	}
}

// ownNamespace gives the test a network namespace of its own.
func ownNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread ends with the test
	space, err := netns.New()
	if err != nil {
		bed.Lacks(t, "no network namespace can be made: ", err)
	}
	t.Cleanup(func() { space.Close() })
}

// TestOneDaemonPerNamespace needs a namespace of its own: the lock is the
// network namespace's, and this machine may run a daemon.
func TestOneDaemonPerNamespace(t *testing.T) {
	ownNamespace(t)
	first, err := lockNamespace()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockNamespace(); err == nil || !strings.Contains(err.Error(), "another twinspand (process ") {
		t.Errorf("a second daemon: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockNamespace()
	if err != nil {
		t.Fatal("after the first one's end:", err)
	}
	again.Close()
}

// The daemon runs as a user of its own, and root cleans up: the lock of another
// user counts when the IKE port says that a daemon has it. Without that anybody
// could keep the daemon from starting.
func TestLockOfAnotherUser(t *testing.T) {
	ownNamespace(t)
	held, err := asUser(65534, lockNamespace)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := lockNamespace(); err != nil {
		t.Errorf("a lock that anybody may take keeps us out: %v", err)
	}
	port, err := net.ListenPacket("udp4", "0.0.0.0:500")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if _, err := lockNamespace(); err == nil || !strings.Contains(err.Error(), "another twinspand (process ") {
		t.Errorf("beside the daemon of another user: %v", err)
	}
}

// What cannot be opened is nil, and not an interface around a nil pointer, which
// the end of a failed start would close.
func TestWhatCannotBeOpenedIsNil(t *testing.T) {
	ownNamespace(t)
	port, err := net.ListenPacket("udp4", "0.0.0.0:500")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if s, err := (linux{}).Sockets(planeUserspace); err == nil || s != nil {
		t.Errorf("sockets on a port that is taken: %v, %v", s, err)
	}
}

// asUser calls do on this thread with another effective user.
func asUser(uid uintptr, do func() (io.Closer, error)) (io.Closer, error) {
	const same = ^uintptr(0)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, same, uid, same); e != 0 {
		return nil, e
	}
	c, err := do()
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, same, 0, same); e != 0 {
		panic(e)
	}
	return c, err
}

func TestGuardAloneSetsNothingElse(t *testing.T) {
	w := newSide(t, &ether{}, west())
	if err := guard(t.Context(), w.path, w.machine); err != nil {
		t.Fatal(err)
	}
	if got := w.since(); !slices.Equal(got, []string{"lock", "network", "guards"}) || len(w.host().guards) != 1 {
		t.Errorf("it did %v; guards %v", got, w.host().guards)
	}
	for _, word := range []string{"lock", "network", "guards"} {
		w := newSide(t, &ether{}, west()).machine
		broken := errors.New("broken " + word)
		w.refuse(word, broken)
		if err := guard(t.Context(), newSide(t, &ether{}, west()).path, w); !errors.Is(err, broken) {
			t.Errorf("%s: %v", word, err)
		}
	}
	write(t, w.path, "[vpc.V\n")
	if err := guard(t.Context(), w.path, w.machine); err == nil || len(w.since()) != 0 {
		t.Errorf("half a file: %v", err)
	}
}

func TestCleanupTakesAllAway(t *testing.T) {
	w := newSide(t, &ether{}, west())
	if err := cleanup(t.Context(), kernelHost{w.machine}); err != nil {
		t.Fatal(err)
	}
	want := []string{"lock", "network", "choose", "plane", "policies", "links", "clear"}
	if got := w.since(); !slices.Equal(got, want) {
		t.Errorf("cleaned as %v\nwant %v, the guard last", got, want)
	}
	if err := cleanup(t.Context(), newSide(t, &ether{}, west()).machine); err != nil {
		t.Error("without a kernel data plane:", err)
	}
	locked := newSide(t, &ether{}, west()).machine
	locked.refuse("lock", errors.New("another twinspand runs"))
	if err := cleanup(t.Context(), locked); err == nil {
		t.Error("it cleaned up under a running daemon")
	}
	if got := locked.since(); len(got) != 1 {
		t.Errorf("it did %v under a running daemon", got)
	}
}

// kernelHost is a machine whose kernel has ESP.
type kernelHost struct{ *machine }

func (h kernelHost) Choose(string) (planeName, string, error) {
	return planeKernel, "", h.note("choose")
}
