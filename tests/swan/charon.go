// Package swan runs strongSwan as the other side of a tunnel: one charon per
// network namespace, with a directory and a control socket of its own, so that
// nothing of the machine's own strongSwan is used or changed. It knows nothing
// of Twinspan.
package swan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// Plane is where charon's ESP is done.
type Plane int

// The planes. UserSpace is charon's kernel-libipsec: ESP over a TUN device,
// always in UDP.
const (
	UserSpace Plane = iota
	Kernel
)

// program is charon without a supervisor; it needs no systemd to run.
const program = "/usr/sbin/charon-systemd"

// Packages are the Debian packages that hold what this package runs.
const Packages = "charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-extra-plugins libstrongswan-standard-plugins"

// Available is an error when strongSwan is not installed.
func Available() error {
	for _, path := range []string{program, "/usr/sbin/swanctl"} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no strongSwan here (%w); install %s", err, Packages)
		}
	}
	return nil
}

// Charon is a running charon.
type Charon struct {
	Plane   Plane
	space   *netns.Space
	dir     string
	process *netns.Process
}

// Start starts charon in a namespace, and returns once it answers. Its files
// are in a new directory that Stop removes.
func Start(ctx context.Context, space *netns.Space, plane Plane) (*Charon, error) {
	dir, err := os.MkdirTemp("", "swan") // short: the path of a socket holds 107 bytes
	if err != nil {
		return nil, err
	}
	c := &Charon{Plane: plane, space: space, dir: dir}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("charon: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Charon) start(ctx context.Context) error {
	if err := os.WriteFile(c.path("strongswan.conf"), []byte(c.settings().Text()), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.Env = c.env()
	var err error
	if c.process, err = c.space.Start(cmd); err != nil {
		return err
	}
	return netns.Until(ctx, func() error {
		if err := c.process.Err(); err != nil {
			return err
		}
		return c.vici(ctx, "version", nil, "", nil)
	})
}

func (c *Charon) path(file string) string { return filepath.Join(c.dir, file) }

func (c *Charon) socket() string { return "unix://" + c.path("vici") }

func (c *Charon) env() []string {
	return append(os.Environ(), "STRONGSWAN_CONF="+c.path("strongswan.conf"))
}

// plugins in the order in which charon loads them: the first that can do a
// thing does it, so kernel-libipsec must come before kernel-netlink.
const (
	pluginsBefore = "random nonce aes sha1 sha2 md5 hmac kdf gmp curve25519 xcbc cmac openssl pem pkcs1 x509 pubkey "
	pluginsAfter  = "kernel-netlink socket-default vici updown counters"
)

// settings is strongswan.conf. With fewer threads kernel-libipsec takes all of
// them and nobody answers the control socket.
func (c *Charon) settings() Section {
	load := pluginsBefore + pluginsAfter
	if c.Plane == UserSpace {
		load = pluginsBefore + "kernel-libipsec " + pluginsAfter
	}
	quiet := Section{{"default", "-1"}}
	return Section{
		{"charon-systemd", Section{
			{"load_modular", "no"},
			{"load", load},
			{"install_routes", yes(c.Plane == UserSpace)},
			{"threads", "16"},
			{"retransmit_timeout", "1.0"},
			{"retransmit_tries", "3"},
			{"i_dont_care_about_security_and_use_aggressive_mode_psk", "yes"},
			{"plugins", Section{{"vici", Section{{"socket", c.socket()}}}}},
			{"filelog", Section{{"f", Section{
				{"path", c.path("log")}, {"default", "1"}, {"time_format", "%H:%M:%S"}, {"time_add_ms", "yes"}, {"flush_line", "yes"},
			}}}},
			{"syslog", Section{{"daemon", quiet}, {"auth", quiet}}},
		}},
		{"swanctl", Section{
			{"load", "pem pkcs1 x509 pubkey openssl random nonce sha1 sha2"},
			{"vici", Section{{"socket", c.socket()}}},
		}},
	}
}

// vici runs one command. charon serves each on a connection of its own.
func (c *Charon) vici(ctx context.Context, command string, args Section, stream string, each func(Section)) error {
	v, err := dialVici(ctx, c.path("vici"))
	if err != nil {
		return err
	}
	_, err = v.call(ctx, command, args, stream, each)
	return errors.Join(err, v.close())
}

// Load makes the connections the only ones. SAs that stand are closed.
func (c *Charon) Load(ctx context.Context, conns ...Conn) error {
	if err := c.Terminate(ctx); err != nil {
		return err
	}
	if err := c.unload(ctx); err != nil {
		return err
	}
	for _, conn := range conns {
		if err := c.vici(ctx, "load-shared", conn.shared(), "", nil); err != nil {
			return err
		}
		if err := c.vici(ctx, "load-conn", Section{{conn.Name, conn.section()}}, "", nil); err != nil {
			return fmt.Errorf("%w: %s", err, Config(conn))
		}
	}
	return nil
}

// unload forgets all connections and keys.
func (c *Charon) unload(ctx context.Context) error {
	var names []string
	err := c.vici(ctx, "list-conns", nil, "list-conn", func(s Section) {
		for _, e := range s {
			names = append(names, e.Key)
		}
	})
	for _, name := range names {
		err = errors.Join(err, c.vici(ctx, "unload-conn", Section{{"name", name}}, "", nil))
	}
	return errors.Join(err, c.vici(ctx, "clear-creds", nil, "", nil))
}

// LoadFile writes the connections to swanctl.conf and loads it with swanctl, as
// an administrator does. It returns what swanctl wrote.
func (c *Charon) LoadFile(ctx context.Context, conns ...Conn) (string, error) {
	return c.LoadText(ctx, Config(conns...))
}

// LoadText has swanctl load a configuration as it stands.
func (c *Charon) LoadText(ctx context.Context, text string) (string, error) {
	file := c.path("swanctl.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "/usr/sbin/swanctl", "--load-all", "--noprompt", "--file", file, "--uri", c.socket())
	cmd.Env = c.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("swanctl --load-all: %w: %s", err, out)
	}
	return string(out), nil
}

// Initiate negotiates a child, and returns when it stands or has failed. It
// needs a context with a deadline.
func (c *Charon) Initiate(ctx context.Context, child string) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return errors.New("initiate for how long? the context has no deadline")
	}
	limit := fmt.Sprint(max(1, time.Until(deadline).Milliseconds()))
	return c.vici(context.WithoutCancel(ctx), "initiate", Section{{"child", child}, {"timeout", limit}}, "", nil)
}

// Rekey negotiates a child anew, and returns as soon as that has begun.
func (c *Charon) Rekey(ctx context.Context, child string) error {
	return c.vici(ctx, "rekey", Section{{"child", child}}, "", nil)
}

// Reauthenticate negotiates a connection's ISAKMP SA anew, and returns as soon
// as that has begun. IKEv1 knows no other way to replace it.
func (c *Charon) Reauthenticate(ctx context.Context, conn string) error {
	return c.vici(ctx, "rekey", Section{{"ike", conn}, {"reauth", "yes"}}, "", nil)
}

// Close closes a child, telling the peer; the ISAKMP SA stays.
func (c *Charon) Close(ctx context.Context, child string) error {
	return c.vici(ctx, "terminate", Section{{"child", child}}, "", nil)
}

// Terminate closes all SAs, telling the peer, and waits until they are gone. One
// that is being replaced meanwhile is asked for again.
func (c *Charon) Terminate(ctx context.Context) error {
	for range 3 {
		sas, err := c.SAs(ctx)
		if err != nil || len(sas) == 0 {
			return err
		}
		for _, sa := range sas {
			args := Section{{"ike", sa.Name}, {"timeout", fmt.Sprint(netns.Patience(5 * time.Second).Milliseconds())}, {"force", "yes"}}
			if err := c.vici(ctx, "terminate", args, "", nil); err != nil && !strings.Contains(err.Error(), "matching SAs") {
				return err
			}
		}
	}
	sas, err := c.SAs(ctx)
	if err == nil && len(sas) > 0 {
		err = fmt.Errorf("%d SAs stand although they were closed three times", len(sas))
	}
	return err
}

// Block makes what goes to a network, and has no SA, unreachable rather than
// let charon's host send it in clear.
func (c *Charon) Block(ctx context.Context, network netip.Prefix) error {
	if c.Plane == UserSpace {
		return nil // its route leads to the TUN device, which drops it
	}
	_, err := c.space.Run(ctx, "ip", "xfrm", "policy", "add", "dir", "out", "src", "0.0.0.0/0", "dst", network.String(), "priority", "900000", "action", "block")
	return err
}

// Log is what charon logged so far.
func (c *Charon) Log() string {
	log, err := os.ReadFile(c.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Kill ends charon as a crash would.
func (c *Charon) Kill() {
	c.process.Kill()
	c.process = nil
}

// Signal sends charon a signal: SIGSTOP freezes it, SIGCONT lets it go on.
func (c *Charon) Signal(sig syscall.Signal) error { return c.process.Signal(sig) }

// Restart starts charon again after it has ended, as after a boot: it has no
// connections, and the kernel no SAs and policies.
func (c *Charon) Restart(ctx context.Context) error {
	for _, what := range []string{"state", "policy"} {
		if _, err := c.space.Run(ctx, "ip", "xfrm", what, "flush"); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(c.path("vici")); err != nil {
		return err
	}
	return c.start(ctx)
}

// PID is charon's process id.
func (c *Charon) PID() int { return c.process.PID() }

// Stop ends charon, which tells its peers, and removes its files.
func (c *Charon) Stop() error {
	var err error
	if c.process != nil {
		err = c.process.Stop(netns.Patience(5 * time.Second))
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
