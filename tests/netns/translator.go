package netns

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
)

// Translator is a router that hides what is inside behind its own address: it
// gives each flow another source port (NAPT).
type Translator struct {
	*Space
	ports int // the first of those in use
}

// portRange is how many ports a translator uses until it is moved.
const portRange = 1000

// newTranslator makes a translator without wires.
func newTranslator(gateway string) (*Translator, error) {
	space, err := New("translator of the " + gateway)
	if err != nil {
		return nil, err
	}
	t := &Translator{Space: space, ports: 10000}
	if err := errors.Join(space.Forward(), t.rules()); err != nil {
		return nil, errors.Join(err, space.Close())
	}
	return t, nil
}

// rules sets the translation. Nothing comes in that nobody inside has asked for.
func (t *Translator) rules() error {
	for _, command := range []string{
		"add table ip twinspan-nat",
		"flush table ip twinspan-nat",
		"add chain ip twinspan-nat post { type nat hook postrouting priority srcnat ; }",
		fmt.Sprintf("add rule ip twinspan-nat post oifname %s meta l4proto udp masquerade to :%d-%d", Outside, t.ports, t.ports+portRange-1),
		fmt.Sprintf("add rule ip twinspan-nat post oifname %s masquerade", Outside),
		"add chain ip twinspan-nat forward { type filter hook forward priority filter ; }",
		fmt.Sprintf("add rule ip twinspan-nat forward iifname %s ct state new drop", Outside),
	} {
		if _, err := t.Run(context.Background(), "nft", strings.Fields(command)...); err != nil {
			return err
		}
	}
	return nil
}

// Rebind forgets all flows: each gets a port that it did not have before, as
// after a reboot of the translator.
func (t *Translator) Rebind() error {
	t.ports += portRange
	if err := t.rules(); err != nil {
		return err
	}
	err := t.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) })
	if err != nil {
		return fmt.Errorf("forget the flows of the %s: %w", t.Name, err)
	}
	return nil
}
