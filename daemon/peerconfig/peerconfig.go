// Package peerconfig writes the configuration of the other side of a tunnel:
// the files for the customer's device, in that device's own words, and what the
// device cannot do, with the line to change on this side.
//
// It is pure: it opens no file and asks no daemon. It knows what each make of
// device can (Devices); it does not know what a device has been told already.
package peerconfig

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// Wanted says which files are to be made.
type Wanted struct {
	Tunnel    string
	Device    Device
	Interface string     // the device's, towards the internet; "" for the usual one
	Gateway   netip.Addr // where the device reaches our gateway; invalid for its public_ip
	Own       netip.Addr // the device's own address; invalid for that of the customer gateway
	ShowKey   bool       // the pre-shared key is written, else Placeholder stands for it
}

// Placeholder stands where the pre-shared key is to be put.
const Placeholder = "PUT-THE-PRE-SHARED-KEY-HERE"

// File is one file for the device.
type File struct {
	Name string // where it goes on the device, or what it is called
	Text string
}

// Result is what was made.
type Result struct {
	Files []File // the first one is the configuration; a second one holds the key
	Notes []string
}

// Make writes the files of a tunnel for a device. When the device cannot do
// what the tunnel is configured for, the error is config.Faults: each with the
// line of ours that is to be changed.
func Make(c config.Config, p plan.Plan, w Wanted) (Result, error) {
	s, err := look(c, p, w)
	if err != nil {
		return Result{}, err
	}
	k := checker{sight: s, device: w.Device, wanted: w}
	k.check()
	if err := k.faults.Err(); err != nil {
		return Result{}, err
	}
	d := &draft{sight: k.sight, device: w.Device}
	d.key = k.key
	if !w.ShowKey {
		d.key = w.Device.placeholder()
	}
	d.hidden = !w.ShowKey
	w.Device.write(d)
	return Result{d.files, d.notes}, nil
}

// placeholder is what stands for the key, in the device's own spelling.
func (d Device) placeholder() string {
	text, wrong := d.spell([]byte(Placeholder))
	if wrong != "" { // letters and hyphens: every device has them
		return Placeholder
	}
	return text
}

// draft is the file that is being written.
type draft struct {
	sight
	device Device
	key    string // in the device's spelling, or the placeholder
	hidden bool   // the key is a placeholder

	files []File
	notes []string
	text  strings.Builder
}

// put writes a line.
func (d *draft) put(format string, args ...any) { fmt.Fprintf(&d.text, format+"\n", args...) }

// puts writes lines that are the same each time.
func (d *draft) puts(lines ...string) {
	for _, l := range lines {
		d.put("%s", l)
	}
}

// width is how long the lines of comments get.
const width = 78

// remark writes a comment, in lines of the usual length.
func (d *draft) remark(format string, args ...any) {
	line := d.device.comment
	for _, word := range strings.Fields(ascii(fmt.Sprintf(format, args...))) {
		if len(line)+1+len(word) > width && line != d.device.comment {
			d.put("%s", line)
			line = d.device.comment
		}
		line += " " + word
	}
	d.put("%s", line)
}

// trap writes a comment on what goes wrong if nobody thinks of it, and tells it
// beside the file too.
func (d *draft) trap(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.remark("%s", text)
	d.notes = append(d.notes, text)
}

// done ends a file.
func (d *draft) done(name string) {
	d.files = append(d.files, File{name, d.text.String()})
	d.text.Reset()
}

// head writes what every file begins with.
func (d *draft) head() {
	d.remark("%s: the other side of the Twinspan tunnel %q (VPN gateway %q).", d.device.Title, d.tunnel, d.gateway)
	d.remark("Phase 1: IKEv1 %s, %s, %d s. Phase 2: ESP tunnel, %s, %d s, %d KB.",
		d.mode(), d.phase1.words(), d.life1, d.phase2.words(), d.life2, d.kb)
	if d.hidden {
		d.remark("The pre-shared key is not in here: write it where %s stands.", Placeholder)
	}
	if d.older > 0 {
		d.trap("This side accepts %d older keys as well; the device gets the newest one.", d.older)
	}
}

func (d *draft) mode() string {
	if d.aggressive {
		return "aggressive mode"
	}
	return "main mode"
}

// natTraps tells what translators change.
func (d *draft) natTraps() {
	if d.local != d.remoteSees && d.local.IsValid() && d.remoteSees.IsValid() {
		d.trap("The device is behind NAT: %v is its own address, %v the one that is seen. ESP goes in UDP port 4500; let UDP 500 and 4500 pass.", d.local, d.remoteSees)
	}
	if d.ours != d.remote {
		d.trap("This gateway is behind NAT: the device reaches it at %v, and it calls itself %s. ESP goes in UDP port 4500.", d.remote, d.remoteID)
	}
}

// exempt tells which traffic must not be translated, in a comment.
func (d *draft) exempt() {
	d.trap("Do not translate (NAT) what goes from the networks here to those behind the tunnel: %s.", strings.Join(d.ways(), ", "))
}

// clamp tells the size of TCP segments.
func (d *draft) clamp(how string) {
	d.trap("TCP segments larger than %d bytes do not fit through the tunnel without fragments; %s.", d.mss(), how)
}

// mss is the largest TCP segment that fits into the device of our gateway.
func (d *draft) mss() int {
	if d.hasIPv6() {
		return d.mtu - 60
	}
	return d.mtu - 40
}

// ways are the pairs as the device sees them.
func (d *draft) ways() []string {
	var all []string
	for _, p := range d.pairs {
		all = append(all, fmt.Sprintf("%v -> %v", p.local, p.remote))
	}
	return all
}
