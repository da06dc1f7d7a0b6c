// Package libreswan runs Libreswan as the other side of a tunnel: one pluto per
// network namespace, with a directory and a control socket of its own. Its ESP
// is the kernel's, so it runs in the virtual machine of tests/vm only. It knows
// nothing of Twinspan.
package libreswan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// Unpacked is where tests/install-packages unpacks Libreswan: its package
// cannot be installed beside strongSwan's.
const Unpacked = "/var/cache/twinspan-libreswan"

// programs is where pluto looks for the others, and wants to be itself.
const programs = "/usr/libexec/ipsec"

// Available is an error when Libreswan cannot run here.
func Available() error {
	for _, path := range []string{Unpacked + programs + "/pluto", "/usr/bin/certutil"} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no Libreswan here (%w); run tests/install-packages test", err)
		}
	}
	if !netns.InVM() {
		return errors.New("the Libreswan here needs a kernel with ESP, and its programs at " + programs + "; run it with tests/vm/run")
	}
	return nil
}

// Pluto is a running pluto.
type Pluto struct {
	space   *netns.Space
	dir     string
	process *netns.Process
	conns   []string // the names of those that are loaded
}

// Start starts pluto in a namespace, and returns once it listens. Its files are
// in a new directory that Stop removes.
func Start(ctx context.Context, space *netns.Space) (*Pluto, error) {
	dir, err := os.MkdirTemp("", "pluto") // short: the path of a socket holds 107 bytes
	if err != nil {
		return nil, err
	}
	p := &Pluto{space: space, dir: dir}
	err = p.prepare(ctx)
	if err == nil {
		err = p.Restart(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pluto: %w", err), p.Stop())
	}
	return p, nil
}

// prepare makes what pluto does not start without.
func (p *Pluto) prepare(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(programs), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(Unpacked+programs, programs); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for _, dir := range []string{"nss", "run", "ipsec.d"} {
		if err := os.Mkdir(p.path(dir), 0o700); err != nil {
			return err
		}
	}
	if err := p.write(Conn{}); err != nil {
		return err
	}
	_, err := p.space.Run(ctx, "certutil", "-N", "-d", "sql:"+p.path("nss"), "--empty-password")
	return err
}

// Restart starts pluto again after it has ended, with the connections that were
// loaded, as after a boot: the kernel's SAs and policies are gone.
func (p *Pluto) Restart(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	cmd := exec.Command(programs+"/pluto", "--nofork", "--nhelpers", "0", "--no-dnssec",
		"--config", p.path("ipsec.conf"), "--secretsfile", p.path("ipsec.secrets"), "--nssdir", p.path("nss"),
		"--rundir", p.path("run"), "--ipsecdir", p.path("ipsec.d"), "--logfile", p.path("log"))
	var err error
	if p.process, err = p.space.Start(cmd); err != nil {
		return err
	}
	err = netns.Until(ctx, func() error {
		if err := p.process.Err(); err != nil {
			return err
		}
		_, err := p.whack(ctx, "--listen")
		return err
	})
	if err != nil || len(p.conns) == 0 {
		return err
	}
	return p.add(ctx)
}

// flush takes the kernel's part away, and what a process that was killed left.
func (p *Pluto) flush(ctx context.Context) error {
	for _, what := range []string{"state", "policy"} {
		if _, err := p.space.Run(ctx, "ip", "xfrm", what, "flush"); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(p.path("run/pluto.ctl")), os.RemoveAll(p.path("run/pluto.pid")))
}

func (p *Pluto) path(file string) string { return filepath.Join(p.dir, file) }

// whack tells pluto something and returns what it answered.
func (p *Pluto) whack(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, "whack", append([]string{"--rundir", p.path("run")}, args...)...)
}

func (p *Pluto) run(ctx context.Context, program string, args ...string) (string, error) {
	out, err := p.space.Run(ctx, programs+"/"+program, args...)
	return out, errors.Join(err, context.Cause(ctx))
}

// Load makes the connection the only one. SAs that stand are closed.
func (p *Pluto) Load(ctx context.Context, c Conn) error {
	for _, name := range p.conns {
		if _, err := p.whack(ctx, "--name", name, "--delete"); err != nil {
			return err
		}
	}
	p.conns = nil
	if err := p.write(c); err != nil {
		return err
	}
	for _, child := range c.Children {
		p.conns = append(p.conns, child.Name)
	}
	return p.add(ctx)
}

// LoadFiles has pluto read a configuration and its secrets as they stand, in
// which the connections have these names.
func (p *Pluto) LoadFiles(ctx context.Context, conf, secrets string, conns ...string) error {
	// The updown script would set routes, which the test network has.
	top := "config setup\n\tprotostack=xfrm\nconn %default\n\tleftupdown=%disabled\ninclude " + p.path("ipsec.d/peer.conf") + "\n"
	for file, text := range map[string]string{"ipsec.conf": top, "ipsec.d/peer.conf": conf, "ipsec.secrets": secrets} {
		if err := os.WriteFile(p.path(file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if _, err := p.whack(ctx, "--rereadsecrets"); err != nil {
		return err
	}
	p.conns = conns
	return p.add(ctx)
}

func (p *Pluto) write(c Conn) error {
	if err := os.WriteFile(p.path("ipsec.conf"), []byte(c.config()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(p.path("ipsec.secrets"), []byte(c.secrets()), 0o600)
}

// add has pluto read its files. What addconn does not like it says, and goes on.
func (p *Pluto) add(ctx context.Context) error {
	out, err := p.run(ctx, "addconn", "--config", p.path("ipsec.conf"), "--ctlsocket", p.path("run/pluto.ctl"), "--autoall")
	if err != nil {
		return err
	}
	status, err := p.whack(ctx, "--status")
	for _, name := range p.conns {
		if err == nil && !strings.Contains(status, `"`+name+`":`) {
			err = fmt.Errorf("addconn did not load %s: %s", name, out)
		}
	}
	return err
}

// Initiate negotiates a child, anew if it stands already, and returns when it
// stands or has failed.
func (p *Pluto) Initiate(ctx context.Context, child string) error {
	out, err := p.whack(ctx, "--name", child, "--initiate")
	if err == nil && !strings.Contains(out, "IPsec SA established") {
		err = fmt.Errorf("whack --initiate: %s", out)
	}
	return err
}

// Terminate closes a child, telling the peer, and with its last child the
// ISAKMP SA.
func (p *Pluto) Terminate(ctx context.Context, child string) error {
	_, err := p.whack(ctx, "--name", child, "--terminate")
	return err
}

// Delete closes one SA by its number, telling the peer.
func (p *Pluto) Delete(ctx context.Context, number int) error {
	_, err := p.whack(ctx, "--deletestate", fmt.Sprint(number))
	return err
}

// Kill ends pluto as a crash would.
func (p *Pluto) Kill() {
	p.process.Kill()
	p.process = nil
}

// Signal sends pluto a signal: SIGSTOP freezes it, SIGCONT lets it go on.
func (p *Pluto) Signal(sig syscall.Signal) error { return p.process.Signal(sig) }

// Log is what pluto logged so far.
func (p *Pluto) Log() string {
	log, err := os.ReadFile(p.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Stop ends pluto, which tells its peers, and removes its files.
func (p *Pluto) Stop() error {
	var err error
	if p.process != nil {
		err = p.process.Stop(netns.Patience(5 * time.Second))
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
