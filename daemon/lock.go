package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/daemon/netio"
)

// lockName is a name among the abstract unix sockets. Those belong to a
// network namespace, as everything does that two daemons would fight over, and
// vanish with their process (unix(7)).
const lockName = "@twinspand"

// lockNamespace keeps other daemons out of this network namespace. The name is
// free for any user to take; one that is held by a user who need not have the
// daemon's rights keeps nobody out, unless the IKE port is taken too: that takes
// a privilege, and a daemon of another user has it.
func lockNamespace() (io.Closer, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: lockName, Net: "unix"})
	switch {
	case err == nil:
		return l, nil
	case !errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("take the lock %s: %w", lockName, err)
	}
	owner, err := lockOwner()
	if err != nil {
		return nil, fmt.Errorf("another twinspand runs in this network namespace (%w); stop it first: systemctl stop twinspand", err)
	}
	if owner.Uid != 0 && owner.Uid != uint32(unix.Geteuid()) && !ikePortTaken() {
		return io.NopCloser(nil), nil
	}
	return nil, fmt.Errorf("another twinspand (process %d) runs in this network namespace; stop it first: systemctl stop twinspand", owner.Pid)
}

func ikePortTaken() bool {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: netio.PortIKE})
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// lockOwner asks the kernel who listens.
func lockOwner() (*unix.Ucred, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: lockName, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return nil, e
	}
	return cred, err
}
