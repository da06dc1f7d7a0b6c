package netcfg

import (
	"context"
	"errors"
	"fmt"

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
		return setGuard(ctx, conn, want)
	})
}

func setGuard(ctx context.Context, conn *nftables.Conn, want content) error {
	rules := chains(hasXFRM())
	found, err := findTables(conn)
	if err != nil {
		return guardError("read the guard", err)
	}
	standIn := found[standInName]
	if found[tableName] {
		if !standIn && matches(conn, rules, want) {
			return nil
		}
		if err := write(ctx, conn, standInName, rules, want); err != nil {
			return err
		}
		standIn = true
	}
	if err := write(ctx, conn, tableName, rules, want); err != nil {
		return err
	}
	if !standIn {
		return nil
	}
	return remove(conn, standInName)
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
