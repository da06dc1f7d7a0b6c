package api

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// caller is who is at the other end of a connection, as the kernel says.
type caller struct {
	uid    uint32
	groups []uint32 // its group and its supplementary ones
	err    error
}

type callerKey struct{}

// withCaller asks once per connection who calls.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, identify(c))
}

func identify(c net.Conn) caller {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return caller{err: fmt.Errorf("not a unix socket")}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return caller{err: err}
	}
	var who caller
	if err := raw.Control(func(fd uintptr) { who = credentials(int(fd)) }); err != nil {
		return caller{err: err}
	}
	return who
}

func credentials(fd int) caller {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return caller{err: err}
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return caller{err: err}
	}
	return caller{uid: cred.Uid, groups: append(groups, cred.Gid)}
}

// peerGroups reads the caller's supplementary groups (SO_PEERGROUPS, Linux
// 4.13), for which x/sys has no call.
func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 64)
	for {
		size := uint32(len(groups) * 4)
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch e {
		case 0:
			return groups[:size/4], nil
		case unix.ERANGE: // size is now what it takes
			groups = make([]uint32, size/4)
		default:
			return nil, fmt.Errorf("read the caller's groups: %w", e)
		}
	}
}

// mayChange lets root, the daemon's own user and the members of the daemon's
// group change things. Who else was let through by the socket's permissions
// may look.
func mayChange(ctx context.Context) error {
	who, ok := ctx.Value(callerKey{}).(caller)
	if !ok || who.err != nil {
		return &Error{Code: Forbidden, Message: fmt.Sprintf("cannot tell who calls: %v", who.err)}
	}
	return who.mayChange(uint32(os.Geteuid()), uint32(os.Getegid()))
}

func (c caller) mayChange(uid, gid uint32) error {
	if c.uid == 0 || c.uid == uid || slices.Contains(c.groups, gid) {
		return nil
	}
	return &Error{Code: Forbidden, Message: fmt.Sprintf(
		"user %d may look but not change anything; call it as root or as a member of the daemon's group (gid %d)", c.uid, gid)}
}
