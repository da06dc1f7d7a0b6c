package netcfg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// transactionSize is the largest transaction, in bytes: it must go to the
	// kernel in one piece. 10 000 pairs of IPv6 take 2 MB.
	transactionSize = 32 << 20
	// elementsPerMessage keeps the list of elements below the 64 KiB that one
	// netlink attribute can have; the largest element takes 124 bytes.
	elementsPerMessage = 400
)

// SetGuards makes these the guarded pairs, and no others. The guard outlives the
// process, and holds whether or not devices, routes and rules are there. The
// same guards again change nothing.
//
// The kernel switches a table's rules and its sets at slightly different
// moments, so a table that is rewritten guards nothing for some microseconds.
// Therefore a second table with the same content stands in while that happens.
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

// dial opens nftables in the calling thread's namespace.
func dial() (*nftables.Conn, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return c.SetWriteBuffer(transactionSize)
	}))
	if err != nil {
		return nil, guardError("open nftables", err)
	}
	return conn, nil
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

// content is the elements of the sets, by the set's name, in order.
type content map[string][]element

// element is the first and the last key of a range.
type element struct{ first, last string }

// contentOf lays out the guards: the pairs, and the pairs with each device.
func contentOf(guards []Guard) content {
	all, byDevice := map[string][]pair{}, map[string]map[string][]pair{}
	for _, g := range guards {
		f := families()[0]
		if g.Local.Addr().Is6() {
			f = families()[1]
		}
		p := pair{g.Local.Masked(), g.Remote.Masked()}
		all[f.pairs] = append(all[f.pairs], p)
		if byDevice[f.ways] == nil {
			byDevice[f.ways] = map[string][]pair{}
		}
		byDevice[f.ways][g.Device] = append(byDevice[f.ways][g.Device], p)
	}
	c := content{}
	for set, pairs := range all {
		c.add(set, pairs, "")
	}
	for set, devices := range byDevice {
		for device, pairs := range devices {
			c.add(set, pairs, string(interfaceName(device)))
		}
	}
	for set := range c {
		slices.SortFunc(c[set], compareElement)
	}
	return c
}

func (c content) add(set string, pairs []pair, suffix string) {
	for _, b := range cover(pairs) {
		c[set] = append(c[set], element{
			string(b.local.first.AsSlice()) + string(b.remote.first.AsSlice()) + suffix,
			string(b.local.last.AsSlice()) + string(b.remote.last.AsSlice()) + suffix,
		})
	}
}

func compareElement(a, b element) int { return strings.Compare(a.first, b.first) }

// findTables tells which of our tables are there.
func findTables(conn *nftables.Conn) (map[string]bool, error) {
	found := map[string]bool{}
	list, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	for _, t := range list {
		found[t.Name] = t.Name == tableName || t.Name == standInName
	}
	return found, err
}

// write replaces a table as a whole, or makes it, in one transaction.
func write(ctx context.Context, conn *nftables.Conn, name string, rules []chain, want content) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
	conn.AddTable(table) // so that there is one to delete
	conn.DelTable(table)
	conn.AddTable(table)
	for _, set := range sets(table) {
		if err := addSet(conn, set, want[set.Name]); err != nil {
			return guardError("write the guard", err)
		}
	}
	for _, c := range rules {
		addChain(conn, table, c)
	}
	if err := conn.Flush(); err != nil {
		return guardError("write the guard", err)
	}
	return nil
}

// sets are in the order in which the kernel makes them visible: the ways before
// the pairs, so that no packet is found guarded and without its way.
func sets(table *nftables.Table) []*nftables.Set {
	var ways, pairs []*nftables.Set
	for _, f := range families() {
		pair := nftables.MustConcatSetType(f.address, f.address)
		way := nftables.MustConcatSetType(f.address, f.address, nftables.TypeIFName)
		pairs = append(pairs, &nftables.Set{Table: table, Name: f.pairs, KeyType: pair, Interval: true, Concatenation: true})
		ways = append(ways, &nftables.Set{Table: table, Name: f.ways, KeyType: way, Interval: true, Concatenation: true})
	}
	return append(ways, pairs...)
}

func addSet(conn *nftables.Conn, set *nftables.Set, elements []element) error {
	if err := conn.AddSet(set, nil); err != nil {
		return err
	}
	for some := range slices.Chunk(elements, elementsPerMessage) {
		list := make([]nftables.SetElement, len(some))
		for i, e := range some {
			list[i] = nftables.SetElement{Key: []byte(e.first), KeyEnd: []byte(e.last)}
		}
		if err := conn.SetAddElements(set, list); err != nil {
			return err
		}
	}
	return nil
}

func addChain(conn *nftables.Conn, table *nftables.Table, c chain) {
	made := &nftables.Chain{Name: c.name, Table: table}
	if c.hook != nil {
		made.Hooknum, made.Type, made.Priority = c.hook, nftables.ChainTypeFilter, nftables.ChainPriorityFilter
	}
	conn.AddChain(made)
	for _, r := range c.rules {
		conn.AddRule(&nftables.Rule{Table: table, Chain: made, Exprs: r.exprs, UserData: comment(r.comment)})
	}
}

// matches tells whether our table is what it should be. One that cannot be read
// is not: writing it anew will show why.
func matches(conn *nftables.Conn, rules []chain, want content) bool {
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	for _, c := range rules {
		if !matchesChain(conn, table, c) {
			return false
		}
	}
	for _, set := range sets(table) {
		got, err := conn.GetSetElements(set)
		if err != nil {
			return false
		}
		elements := make([]element, len(got))
		for i, e := range got {
			elements[i] = element{string(e.Key), string(e.KeyEnd)}
		}
		slices.SortFunc(elements, compareElement)
		if !slices.Equal(elements, want[set.Name]) {
			return false
		}
	}
	return true
}

func matchesChain(conn *nftables.Conn, table *nftables.Table, c chain) bool {
	made, err := conn.ListChain(table, c.name)
	if err != nil {
		return false
	}
	hooked := made.Hooknum != nil
	if hooked != (c.hook != nil) || hooked && *made.Hooknum != *c.hook {
		return false
	}
	got, err := conn.GetRules(table, made)
	return err == nil && slices.EqualFunc(got, c.rules, func(g *nftables.Rule, w rule) bool {
		text, _ := userdata.GetString(g.UserData, userdata.TypeComment)
		return text == w.comment
	})
}

// remove deletes tables; those that are not there are no error.
func remove(conn *nftables.Conn, names ...string) error {
	for _, name := range names {
		table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
		conn.AddTable(table)
		conn.DelTable(table)
	}
	if err := conn.Flush(); err != nil {
		return guardError("remove the guard", err)
	}
	return nil
}

// guardError says what to do about a kernel that refused.
func guardError(what string, err error) error {
	do := ""
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT),
		errors.Is(err, unix.ENOENT):
		do = "; the kernel lacks nftables: `modprobe nf_tables` (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET; " +
			"sets of address ranges need Linux 5.6)"
	case errors.Is(err, unix.EPERM):
		do = "; it needs CAP_NET_ADMIN: run as root or give the unit that capability"
	case errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.ENOBUFS):
		do = "; the transaction does not fit the socket's buffer: raise net.core.wmem_max to 33554432"
	}
	return fmt.Errorf("%s (nftables table inet %s): %w%s", what, tableName, err, do)
}
