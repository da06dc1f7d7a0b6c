package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/peerconfig"
)

type peerFlags struct {
	device, iface, config, output, gateway, own string
	list, json, showKey                         bool
}

func (c *cli) peerConfig() *cobra.Command {
	var f peerFlags
	cmd := &cobra.Command{
		Use:   "peer-config TUNNEL --for DEVICE",
		Short: "Write the configuration of the other side's device, without the daemon",
		Long: "Write the configuration of the device on the other side of a tunnel, from the\n" +
			"configuration files here; the daemon is not asked. What the device cannot do is\n" +
			"refused with the line to change here. The pre-shared key is left out unless\n" +
			"--show-key is given. --list shows the devices and what they can.",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.list {
				return cobra.NoArgs(cmd, args)
			}
			if len(args) == 1 && f.device == "" {
				return errors.New("peer-config needs --for DEVICE; twinspan peer-config --list shows the devices")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		ValidArgsFunction: c.tunnelNames,
		RunE: func(_ *cobra.Command, args []string) error {
			if f.list {
				return failed(c.listDevices(f.json))
			}
			return c.writePeer(args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.device, "for", "", "the device, as --list names it")
	flags.StringVar(&f.iface, "interface", "", "the device's interface towards the internet")
	flags.StringVar(&f.config, "config", defaultConfig, "the configuration: a file or a directory")
	flags.StringVar(&f.output, "output", "", "write to this file, with mode 0600; a file of its own for the key ends in .secrets")
	flags.StringVar(&f.gateway, "gateway", "", "where the device reaches this gateway, when public_ip is a private one behind NAT")
	flags.StringVar(&f.own, "own-address", "", "the device's own address, when the configuration does not tell it")
	flags.BoolVar(&f.showKey, "show-key", false, "write the pre-shared key too")
	flags.BoolVar(&f.list, "list", false, "show the devices and what they can")
	flags.BoolVar(&f.json, "json", false, "print a JSON document")
	_ = cmd.RegisterFlagCompletionFunc("for", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var words []string
		for _, d := range peerconfig.Devices() {
			words = append(words, d.Word)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// peerDocument is what peer-config --json prints.
type peerDocument struct {
	Version  int               `json:"version"`
	Tunnel   string            `json:"tunnel"`
	Device   string            `json:"device"`
	KeyShown bool              `json:"key_shown"`
	Files    []peerFile        `json:"files"`
	Notes    []string          `json:"notes"`
	Refused  []api.ConfigFault `json:"refused"`
}

type peerFile struct {
	Name string `json:"name"` // where it goes on the device
	Path string `json:"path,omitempty"`
	Text string `json:"text"`
}

// writePeer makes the files, and prints them or puts them where they should go.
func (c *cli) writePeer(tunnel string, f peerFlags) error {
	r, err := makePeer(tunnel, f)
	doc := peerDocument{Version: api.Schema, Tunnel: tunnel, Device: f.device, KeyShown: f.showKey,
		Files: []peerFile{}, Notes: append([]string{}, r.Notes...), Refused: []api.ConfigFault{}}
	var faults config.Faults
	if errors.As(err, &faults) && f.json {
		doc.Refused = documents(faults.Sorted())
		if err := c.printJSON(doc); err != nil {
			return failed(err)
		}
		return exit{code: exitInvalid}
	}
	if errors.As(err, &faults) {
		return exit{exitInvalid, err}
	}
	if err != nil {
		return failed(err)
	}
	for i, file := range r.Files {
		doc.Files = append(doc.Files, peerFile{Name: file.Name, Text: file.Text})
		if f.output == "" {
			continue
		}
		path := outputPath(f.output, i)
		if err := writeSecret(path, file.Text); err != nil {
			return failed(err)
		}
		doc.Files[i].Path = path
	}
	if f.json {
		return failed(c.printJSON(doc))
	}
	c.showPeer(doc)
	return nil
}

// makePeer reads the configuration and makes the files.
func makePeer(tunnel string, f peerFlags) (peerconfig.Result, error) {
	device, err := peerconfig.Find(f.device)
	if err != nil {
		return peerconfig.Result{}, err
	}
	w := peerconfig.Wanted{Tunnel: tunnel, Device: device, Interface: f.iface, ShowKey: f.showKey}
	for _, a := range []struct {
		flag, text string
		addr       *netip.Addr
	}{{"gateway", f.gateway, &w.Gateway}, {"own-address", f.own, &w.Own}} {
		if a.text == "" {
			continue
		}
		if *a.addr, err = netip.ParseAddr(a.text); err != nil {
			return peerconfig.Result{}, fmt.Errorf("--%s %q is no address", a.flag, a.text)
		}
	}
	p, err := read(f.config)
	if err != nil {
		return peerconfig.Result{}, err
	}
	files, err := config.Read(f.config)
	if err != nil {
		return peerconfig.Result{}, err
	}
	c, err := config.Parse(files)
	if err != nil {
		return peerconfig.Result{}, err
	}
	return peerconfig.Make(c, p, w)
}

// outputPath is where a file goes: the first as it is asked for, that of the key
// beside it.
func outputPath(output string, i int) string {
	if i == 0 {
		return output
	}
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".secrets"
}

// writeSecret puts a file in place as a whole, and nobody else can ever read it.
func writeSecret(path, text string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".peer-config-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(text)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// showPeer prints the files, or where they are; what is to be known goes beside
// them.
func (c *cli) showPeer(doc peerDocument) {
	for _, file := range doc.Files {
		if file.Path != "" {
			fmt.Fprintf(c.err, "%s: for %s on the device\n", file.Path, printable(file.Name))
			continue
		}
		if len(doc.Files) > 1 {
			fmt.Fprintf(c.out, "# ==> %s\n", file.Name)
		}
		fmt.Fprint(c.out, file.Text)
	}
	if !doc.KeyShown {
		fmt.Fprintf(c.err, "%s the pre-shared key is left out: write it where %s stands, or add --show-key\n", c.paint(yellow, "note:"), peerconfig.Placeholder)
	}
}

// deviceDocument is what one device can, as peer-config --list --json has it.
type deviceDocument struct {
	Device     string          `json:"device"`
	Title      string          `json:"title"`
	Tested     bool            `json:"tested"`
	Aggressive bool            `json:"aggressive"`
	Names      bool            `json:"fqdn_identities"`
	IPv6       bool            `json:"ipv6_networks"`
	Phase1     phaseDocument   `json:"ike"`
	Phase2     phaseDocument   `json:"ipsec"`
	KB         peerconfig.Span `json:"lifetime_kb"`
	DPD        peerconfig.Span `json:"dpd_delay_seconds"`
	NATT       string          `json:"nat_t"`
}

type phaseDocument struct {
	Encryption []string        `json:"encryption"`
	Integrity  []string        `json:"integrity"`
	Groups     []string        `json:"groups"`
	Lifetime   peerconfig.Span `json:"lifetime_seconds"`
}

func phase(a peerconfig.Abilities, lifetime peerconfig.Span) phaseDocument {
	ciphers, hashes, groups := a.List()
	return phaseDocument{ciphers, hashes, groups, lifetime}
}

func (c *cli) listDevices(asJSON bool) error {
	doc := struct {
		Version int              `json:"version"`
		Devices []deviceDocument `json:"devices"`
	}{Version: api.Schema}
	for _, d := range peerconfig.Devices() {
		doc.Devices = append(doc.Devices, deviceDocument{d.Word, d.Title, d.Tested, d.Aggressive, d.Names, d.IPv6,
			phase(d.Phase1, d.Lifetime1), phase(d.Phase2, d.Lifetime2), d.KB, d.DPD, d.NATT})
	}
	if asJSON {
		return c.printJSON(doc)
	}
	for _, d := range doc.Devices {
		tested := "after its manuals, not tried on one"
		if d.Tested {
			tested = "tested with the real one"
		}
		fmt.Fprintf(c.out, "%s  %s; %s\n", c.paint(bold, d.Device), d.Title, tested)
		for _, p := range []struct {
			name string
			phaseDocument
		}{{"ike", d.Phase1}, {"ipsec", d.Phase2}} {
			fmt.Fprintf(c.out, "  %-5s  %s; %s; %s; %d to %d s\n", p.name, strings.Join(p.Encryption, " "), strings.Join(p.Integrity, " "),
				strings.Join(p.Groups, " "), p.Lifetime.Least, p.Lifetime.Most)
		}
	}
	return nil
}
