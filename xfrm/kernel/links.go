package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// SetLinks makes our XFRM interfaces those of want, up and with their MTU. A
// device is ours by its if_id; one of want's name that is not ours is left
// alone, and an error.
func (b *Backend) SetLinks(ctx context.Context, want []xfrm.Link) error {
	for _, l := range want {
		if err := checkLink(l); err != nil {
			return fmt.Errorf("device %q: %w", l.Name, err)
		}
	}
	b.linking.Lock()
	defer b.linking.Unlock()
	held, err := b.devices()
	if err != nil {
		return err
	}
	// What goes must go first: a name, and an if_id, can be there only once.
	for _, l := range held {
		if wanted(l, want) {
			continue
		}
		if err := b.removeLink(l); err != nil {
			return err
		}
	}
	for _, l := range want {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.setLink(l, held); err != nil {
			return fmt.Errorf("device %q: %w", l.Name, err)
		}
	}
	return nil
}

func checkLink(l xfrm.Link) error {
	switch {
	case !xfrm.IsOurs(l.IfID):
		return fmt.Errorf("if_id %#x is not one of ours", l.IfID)
	case l.Name == "" || len(l.Name) >= unix.IFNAMSIZ:
		return fmt.Errorf("a device's name has 1 to %d bytes", unix.IFNAMSIZ-1)
	case l.MTU < 68 || l.MTU > 65535:
		return fmt.Errorf("MTU %d is outside 68..65535", l.MTU)
	}
	return nil
}

// devices lists the XFRM interfaces of ours.
func (b *Backend) devices() ([]*netlink.Xfrmi, error) {
	if b.links == nil {
		return nil, fmt.Errorf("list the network devices: %w", os.ErrClosed)
	}
	links, err := b.links.LinkList()
	for again := 0; again < 4 && errors.Is(err, netlink.ErrDumpInterrupted); again++ {
		links, err = b.links.LinkList()
	}
	if err != nil {
		return nil, fmt.Errorf("list the network devices: %w", err)
	}
	var ours []*netlink.Xfrmi
	for _, l := range links {
		if x, ok := l.(*netlink.Xfrmi); ok && xfrm.IsOurs(x.Ifid) {
			ours = append(ours, x)
		}
	}
	return ours, nil
}

// wanted tells whether one of want is this device. Neither its name nor its
// if_id can be changed without taking it down, so another one is another device.
func wanted(held *netlink.Xfrmi, want []xfrm.Link) bool {
	for _, l := range want {
		if same(held, l) {
			return true
		}
	}
	return false
}

func same(held *netlink.Xfrmi, l xfrm.Link) bool {
	return held.Attrs().Name == l.Name && held.Ifid == l.IfID
}

func (b *Backend) removeLink(l *netlink.Xfrmi) error {
	if err := b.links.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove device %q: %w", l.Attrs().Name, err)
	}
	return nil
}

// setLink makes one device what it shall be, from nothing or from what is held.
func (b *Backend) setLink(want xfrm.Link, held []*netlink.Xfrmi) error {
	for _, l := range held {
		if !same(l, want) {
			continue
		}
		if l.Attrs().MTU != want.MTU {
			if err := b.links.LinkSetMTU(l, want.MTU); err != nil {
				return fmt.Errorf("set the MTU to %d: %w", want.MTU, err)
			}
		}
		return b.links.LinkSetUp(l)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = want.Name, want.MTU
	link := &netlink.Xfrmi{LinkAttrs: attrs, Ifid: want.IfID}
	switch err := b.links.LinkAdd(link); {
	case errors.Is(err, unix.EEXIST):
		return errors.New("there is a device of that name, or an XFRM interface with its if_id, that is not ours; remove or rename it")
	case err != nil:
		return fmt.Errorf("create the XFRM interface: %w", err)
	}
	return b.links.LinkSetUp(link)
}

// linksHeld returns our devices in the words of package xfrm.
func (b *Backend) linksHeld() ([]xfrm.Link, error) {
	b.linking.Lock()
	defer b.linking.Unlock()
	devices, err := b.devices()
	if err != nil {
		return nil, err
	}
	var all []xfrm.Link
	for _, d := range devices {
		all = append(all, xfrm.Link{Name: d.Attrs().Name, IfID: d.Ifid, MTU: d.Attrs().MTU})
	}
	return all, nil
}
