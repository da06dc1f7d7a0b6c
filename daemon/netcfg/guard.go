package netcfg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// SetGuards makes these the guarded pairs, and no others. The guard outlives the
// process, and holds whether or not devices, routes and rules are there. The
// same guards again change nothing.
//
// The kernel switches a table's rules and its sets at slightly different
// moments, though both are in one transaction, so a table that is rewritten
// guards nothing for a moment, and packets were seen to slip through. Therefore a
// second table with the same content stands in while that happens. What fails
// leaves more guarded, not less.
func (n *Net) SetGuards(ctx context.Context, guards []Guard) error {
	if err := checkGuards(guards); err != nil {
		return err
	}
	want := contentOf(guards)
	return n.inside(func() error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseLasting() }()
		written, err := setGuard(ctx, conn, want)
		if err == nil && written && n.guard != nil && maps.EqualFunc(n.guard, want, slices.Equal[[]element]) {
			n.notes = append(n.notes, "somebody had changed or removed the guard (nftables table inet "+tableName+"); it is set again")
		}
		if err == nil {
			n.guard = want
		}
		return err
	})
}

// setGuard tells whether there was anything to write.
func setGuard(ctx context.Context, conn *nftables.Conn, want content) (written bool, err error) {
	rules := chains(hasXFRM())
	ours, left, err := findTables(conn)
	if err != nil {
		return false, guardError("read the guard", err)
	}
	standIn := left != nil
	if ours != nil {
		if !standIn && matches(conn, ours, rules, want) {
			return false, nil
		}
		if err := write(ctx, conn, standInName, rules, want); err != nil {
			return true, err
		}
		standIn = true
	}
	if err := write(ctx, conn, tableName, rules, want); err != nil {
		return true, err
	}
	if !standIn {
		return true, nil
	}
	return true, remove(conn, standInName)
}

// removeGuard removes both tables.
func (n *Net) removeGuard() error {
	return n.inside(func() error {
		conn, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseLasting() }()
		return remove(conn, tableName, standInName)
	})
}

func checkGuards(guards []Guard) error {
	for _, g := range guards {
		switch {
		case !g.Local.IsValid() || !g.Remote.IsValid() || g.Local.Addr().BitLen() != g.Remote.Addr().BitLen():
			return fmt.Errorf("guard %v <-> %v: two networks of one address family are needed", g.Local, g.Remote)
		case g.Device == "" || len(g.Device) >= unix.IFNAMSIZ:
			return fmt.Errorf("guard %v <-> %v: device name %q must have 1 to %d bytes", g.Local, g.Remote, g.Device, unix.IFNAMSIZ-1)
		}
	}
	return nil
}

const needsAdmin = "; it needs CAP_NET_ADMIN: run as root or give the unit that capability"

// guardError says what to do about a kernel that refused.
func guardError(what string, err error) error {
	do := ""
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT),
		errors.Is(err, unix.ENOENT):
		do = "; the kernel lacks nftables: `modprobe nf_tables` (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET; " +
			"sets of address ranges need Linux 5.6)"
	case errors.Is(err, unix.EPERM):
		do = needsAdmin
	case errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.ENOBUFS):
		do = "; the transaction does not fit the socket's buffer: raise net.core.wmem_max to 33554432"
	}
	return fmt.Errorf("%s (nftables table inet %s): %w%s", what, tableName, err, do)
}
