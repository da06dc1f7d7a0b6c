// Package vm tests the runner in this directory: that what a command does in
// the virtual machine comes back as if it had run here.
package vm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// needMachine skips where no machine can be built, and where a second one
// inside the first would be meant.
func needMachine(t *testing.T) {
	t.Helper()
	switch {
	case testing.Short():
		t.Skip("boots virtual machines: not with -short")
	case os.Getenv("TWINSPAN_VM") != "":
		t.Skip("already inside the virtual machine")
	case runtime.GOARCH != "amd64" || os.Getuid() != 0:
		t.Skip("needs root on x86-64")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("needs Debian's apt to fetch the kernel")
	}
}

// run starts the runner and returns what came out and its exit status.
func run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command("./run", args...)
	c.Stdout, c.Stderr = &out, &errs
	c.Env = append(os.Environ(), "STORY=two words\nand a line", "TMPDIR="+t.TempDir())
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.Env[len(c.Env)-1][len("TMPDIR="):], "*")); len(left) > 0 {
		t.Errorf("the runner left %v behind", left)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func TestCommandSeesItsCaller(t *testing.T) {
	needMachine(t)
	script := `printf '%s|' "$PWD" "$STORY" "$TWINSPAN_VM" "$1" "$(id -u)"; echo to stderr >&2; exit 42`
	out, errs, status := run(t, "bash", "-c", script, "-", `it's "one" $argument`+"\n")
	here, _ := os.Getwd()
	want := strings.Join([]string{here, "two words\nand a line", "1", `it's "one" $argument` + "\n", "0", ""}, "|")
	if out != want || !strings.HasSuffix(errs, "to stderr\n") || status != 42 {
		t.Errorf("got  %q\nwant %q\nstderr %q, status %d", out, want, errs, status)
	}
}

func TestKernelHasWhatTestsNeed(t *testing.T) {
	needMachine(t)
	script := `set -e
ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100 mode tunnel if_id 1 \
	auth-trunc 'hmac(sha1)' 0x0102030405060708090a0b0c0d0e0f1011121314 96 enc 'cbc(aes)' 0x0102030405060708090a0b0c0d0e0f10
ip link add x type xfrm dev lo if_id 1
ip tuntap add t mode tun
ip link add name v0 type veth peer name v1
ip link add name br0 type bridge
tc qdisc add dev v0 root netem delay 1ms
nft 'add table inet t; add set inet t s { type ipv4_addr . ipv4_addr; flags interval; }
add element inet t s { 10.0.0.0/8 . 192.168.0.0/16 }; add chain inet t c { type filter hook forward priority 0; }
add rule inet t c ip saddr . ip daddr @s oifname != "x" drop'
test ! -s /run/vm/modprobe.errors || { cat /run/vm/modprobe.errors; exit 1; }`
	if out, errs, status := run(t, "bash", "-c", script); status != 0 {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

// Long output arrives whole, and a process left behind with its output open
// does not keep the machine.
func TestOutputIsComplete(t *testing.T) {
	needMachine(t)
	out, errs, status := run(t, "bash", "-c", "sleep 1000 & head -c 30000000 /dev/zero")
	if len(out) != 30000000 || status != 0 {
		t.Errorf("%d bytes of 30000000, status %d, stderr %q", len(out), status, errs)
	}
}

func TestSharedDirectoryIsWrittenThrough(t *testing.T) {
	needMachine(t)
	dir := t.TempDir()
	_, errs, status := run(t, "-w", dir, "--", "bash", "-c", `echo kept >"$0/file"; echo lost >/etc/twinspan-vm-lost`, dir)
	kept, _ := os.ReadFile(filepath.Join(dir, "file"))
	if status != 0 || string(kept) != "kept\n" {
		t.Errorf("file %q, status %d, stderr %q", kept, status, errs)
	}
	if _, err := os.Stat("/etc/twinspan-vm-lost"); err == nil {
		t.Error("a write outside the shared directory reached the host")
	}
}

func TestTimeIsUp(t *testing.T) {
	needMachine(t)
	start := time.Now()
	_, errs, status := run(t, "-t", "6", "sleep", "1000")
	if status != 124 || !strings.Contains(errs, "the time was up after 6 s") {
		t.Errorf("status %d, stderr %q", status, errs)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("6 seconds took %v", took)
	}
}

func TestMachineDies(t *testing.T) {
	needMachine(t)
	_, errs, status := run(t, "bash", "-c", "echo c >/proc/sysrq-trigger")
	if status != 125 || !strings.Contains(errs, "Kernel panic") {
		t.Errorf("status %d, stderr without the panic: %q", status, errs)
	}
}
