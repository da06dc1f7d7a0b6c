package netcfg

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// without calls do on this thread without a capability.
func without(capability uint, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all [2]unix.CapUserData
	if err := unix.Capget(&header, &all[0]); err != nil {
		return err
	}
	less := all
	less[capability/32].Effective &^= 1 << (capability % 32)
	if err := unix.Capset(&header, &less[0]); err != nil {
		return err
	}
	err := do()
	return errors.Join(err, unix.Capset(&header, &all[0]))
}

// TestWithoutTheRight: the errors say which capability is missing, and what was
// guarded stays guarded.
func TestWithoutTheRight(t *testing.T) {
	b := newBed(t)
	b.guard(t, guards())
	err := b.gateway.Do(func() error {
		return without(unix.CAP_NET_ADMIN, func() error {
			for what, err := range map[string]error{
				"guard":  b.net.SetGuards(t.Context(), nil),
				"routes": b.net.SetRoutes(t.Context(), want()),
				"clear":  b.net.Clear(t.Context()),
			} {
				if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
					t.Errorf("%s: %v", what, err)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	b.try(t, b.packets(false)[:4], true)
}

func TestGuardErrorsSayWhatToDo(t *testing.T) {
	for err, word := range map[error]string{
		unix.EPROTONOSUPPORT: "modprobe nf_tables",
		unix.EOPNOTSUPP:      "CONFIG_NF_TABLES_INET",
		unix.EMSGSIZE:        "net.core.wmem_max",
		unix.EPERM:           "CAP_NET_ADMIN",
	} {
		if got := guardError("write the guard", fmt.Errorf("netlink: %w", err)); !errors.Is(got, err) || !strings.Contains(got.Error(), word) {
			t.Errorf("%v does not say %q", got, word)
		}
	}
}
