package netcfg

import (
	"context"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
)

const (
	// transactionSize is the largest transaction, in bytes: it must go to the
	// kernel in one piece. 10 000 pairs of IPv6 take 2 MB.
	transactionSize = 32 << 20
	// elementsPerMessage keeps the list of elements below the 64 KiB that one
	// netlink attribute can have; the largest element takes 124 bytes.
	elementsPerMessage = 400
)

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

// findTables finds our table and its stand-in, nil where there is none.
func findTables(conn *nftables.Conn) (ours, standIn *nftables.Table, err error) {
	list, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	for _, t := range list {
		switch t.Name {
		case tableName:
			ours = t
		case standInName:
			standIn = t
		}
	}
	return ours, standIn, err
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
func matches(conn *nftables.Conn, table *nftables.Table, rules []chain, want content) bool {
	if table.Flags != 0 {
		return false // dormant
	}
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
