package netcfg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watch hears of changes to what is ours, by whomever.
type watch struct {
	changed chan struct{} // holds one token
	conns   []*netlink.Conn
	devices atomic.Pointer[[]Device]
}

// Watch returns a channel that gets a value when somebody, this process too, has
// changed what SetGuards and SetRoutes made, or when the kernel had too much to
// tell to tell it all. To set the same again puts it back. The channel lives
// until Close.
func (n *Net) Watch() (<-chan struct{}, error) {
	w := &n.watch
	w.changed = make(chan struct{}, 1)
	err := n.inside(func() error {
		return errors.Join(
			w.listen(unix.NETLINK_NETFILTER, w.aboutGuard, unix.NFNLGRP_NFTABLES),
			w.listen(unix.NETLINK_ROUTE, w.aboutRoutes, unix.RTNLGRP_LINK,
				unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_RULE))
	})
	if err != nil {
		return nil, fmt.Errorf("watch the network: %w", err)
	}
	return w.changed, nil
}

// listen hears the groups, and tells of messages that are about ours.
func (w *watch) listen(family int, about func(netlink.Message) bool, groups ...int) error {
	conn, err := netlink.Dial(family, nil)
	if err != nil {
		return err
	}
	w.conns = append(w.conns, conn)
	for _, g := range groups {
		err := conn.JoinGroup(uint32(g))
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w%s", err, needsAdmin)
		}
		if err != nil {
			return err
		}
	}
	go func() {
		for {
			messages, err := conn.Receive()
			if err == nil && !slices.ContainsFunc(messages, about) {
				continue
			}
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return // closed
			}
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}()
	return nil
}

func (w *watch) close() error {
	var errs []error
	for _, c := range w.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// The fixed headers before the attributes.
const (
	sizeofRuleHdr = 12 // struct rtmsg, and struct fib_rule_hdr
	sizeofNfgen   = 4  // struct nfgenmsg
)

// aboutGuard tells messages about our table, its chains, rules and sets: all
// have the name of the table as their first attribute.
func (w *watch) aboutGuard(m netlink.Message) bool {
	name, ok := attribute(m.Data, sizeofNfgen, unix.NFTA_TABLE_NAME)
	return ok && m.Header.Type>>8 == unix.NFNL_SUBSYS_NFTABLES && unix.ByteSliceToString(name) == tableName
}

// aboutRoutes tells messages about routes in our tables, rules that lead there,
// and our devices.
func (w *watch) aboutRoutes(m netlink.Message) bool {
	switch m.Header.Type {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.RTM_NEWRULE, unix.RTM_DELRULE:
		// RTA_TABLE and FRA_TABLE have one number.
		table, ok := attribute(m.Data, sizeofRuleHdr, unix.RTA_TABLE)
		return ok && len(table) == 4 && ours(binary.NativeEndian.Uint32(table))
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		name, ok := attribute(m.Data, unix.SizeofIfInfomsg, unix.IFLA_IFNAME)
		devices := w.devices.Load()
		return ok && devices != nil && slices.ContainsFunc(*devices, func(d Device) bool { return d.Name == unix.ByteSliceToString(name) })
	}
	return false
}

// attribute finds one attribute behind a header.
func attribute(data []byte, header int, kind uint16) ([]byte, bool) {
	if len(data) < header {
		return nil, false
	}
	d, err := netlink.NewAttributeDecoder(data[header:])
	if err != nil {
		return nil, false
	}
	for d.Next() {
		if d.Type() == kind {
			return d.Bytes(), true
		}
	}
	return nil, false
}
