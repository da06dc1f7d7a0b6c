package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// alarmFor is the `for` time of the alarms, in seconds.
const alarmFor = 3

// alarms watch the tunnel and tell a mail server, with a certificate and
// authentication, an Alertmanager, and a program.
const alarms = `
[alarm.down]
type = "vpn_tunnel"
condition = "state"
for_seconds = %d
receivers = ["ops", "alertmanager", "program"]
[receiver.ops]
type = "email"
server = "127.0.0.1"
port = 2525
security = %q
username = "vpn"
password = "not a good one"
from = "vpn@example.com"
to = ["ops@example.com"]
ca_file = %q
[receiver.alertmanager]
type = "alertmanager"
url = "http://127.0.0.1:9093"
[receiver.program]
type = "hook"
command = ["/bin/sh", "-c", "cat >> %s"]
`

// python is the one that Debian's packages are for.
const python = "/usr/bin/python3"

// mailServer is aiosmtpd, which prints each mail as it comes.
const mailServer = `
import email, email.policy, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
sys.stdout.reconfigure(encoding="utf-8")
class Print:
    async def handle_DATA(self, server, session, envelope):
        tls = server.transport.get_extra_info("sslcontext") is not None
        print("FROM", envelope.mail_from, "TO", envelope.rcpt_tos, "TLS", tls, "LOGIN", session.auth_data)
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print("Subject:", m["subject"], m.get_content(), flush=True)
        return "250 OK"
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"vpn" and data.password == b"not a good one", auth_data="vpn")
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[2])
how = {"tls_context": context, "require_starttls": True} if sys.argv[1] == "starttls" else {"ssl_context": context, "auth_require_tls": False}
Controller(Print(), hostname="127.0.0.1", port=2525, authenticator=login, auth_required=True, **how).start()
while True:
    time.sleep(60)
`

// alertmanager is how it is configured: it tells nobody.
const alertmanager = "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n"

// A tunnel that is cut is told within the time that its alarm says, by a mail, to an
// Alertmanager, and to a program; and so is that it is back. The mail server is
// dead when it happens: the tunnel comes back all the same, and the mail arrives
// later, even though the daemon was started anew in between.
func TestAlarmsAreTold(t *testing.T) {
	if netns.InVM() {
		t.Skip("which data plane there is makes no difference to alarms")
	}
	needStrongSwan(t)
	for _, needed := range []string{"prometheus-alertmanager", python} {
		if _, err := exec.LookPath(needed); err != nil {
			netns.Lacks(t, err)
		}
	}
	if err := exec.Command(python, "-c", "import aiosmtpd").Run(); err != nil {
		netns.Lacks(t, "python3-aiosmtpd is not installed")
	}
	for _, security := range []string{"starttls", "tls"} {
		t.Run(security, func(t *testing.T) { tellAlarms(t, security) })
	}
}

func tellAlarms(t *testing.T, security string) {
	m := meet(t, netns.QuickStart(), startTwin, startSwan)
	p := &play{T: t, meeting: m, peer: m.theirs.(foreign)}
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(storyTime))
	defer cancel()
	p.ctx, p.scenario = ctx, scenario{name: "alarms", tunnel: between(m.bed.Sites)}
	p.mine.start, p.mine.delay, p.mine.timeout = "active", 5, 10
	dir := t.TempDir()
	certificate := selfSigned(t, dir)
	told := filepath.Join(dir, "told")
	daemon := m.ours.(*twinSide).daemon
	p.must(m.theirs.load(ctx, p.mirror()))
	p.must(daemon.Configure(configuration(p.tunnel, "active") + fmt.Sprintf(alarms, alarmFor, security, certificate, told)))
	p.must(daemon.Stop())
	p.must(daemon.Start(ctx))
	manager := startIn(t, m.bed.Gateway, "prometheus-alertmanager", "--config.file="+textFile(t, dir, "am.yml", alertmanager),
		"--storage.path="+dir, "--web.listen-address=127.0.0.1:9093", "--cluster.listen-address=")
	server := textFile(t, dir, "mail.py", mailServer)
	mails := startIn(t, m.bed.Gateway, python, server, security, certificate)
	p.resumes(30 * time.Second)
	p.within(20*time.Second, "every receiver takes a test", func() error { _, err := daemon.Command(ctx, "alarm", "test"); return err })

	// Nobody answers any more: what is told now is told with the peer's silence.
	m.nft(ctx, t, "add table inet cut\nadd chain inet cut forward { type filter hook forward priority 0 ; policy drop ; }\n")
	var begun time.Time
	p.within(60*time.Second, "the tunnel is down", func() error {
		s, err := daemon.Tunnel(ctx, name)
		if err == nil && s.State == "up" {
			err = fmt.Errorf("it is up")
		}
		begun = s.Since
		return err
	})
	const firing, resolved = "Subject: [firing] down: tunnel " + name, "Subject: [resolved] down: tunnel " + name
	p.within(alarmFor*time.Second+3*time.Second, "the mail has arrived", func() error { return has(mails.Output(), firing, `TLS True LOGIN vpn`) })
	p.within(5*time.Second, "the alert is there", func() error { return alert(ctx, m.bed.Gateway, "active") })
	p.within(5*time.Second, "the program ran", func() error { return has(content(told), `"event":"firing"`) })
	if early := time.Since(begun); early < alarmFor*time.Second {
		t.Errorf("told after %v, before its time", early)
	}

	// The mail server dies, the tunnel comes back, the daemon is started anew, and
	// then there is a mail server again.
	mails.Kill()
	m.nft(ctx, t, "delete table inet cut")
	p.resumes(60 * time.Second)
	p.within(20*time.Second, "the alert is over", func() error { return alert(ctx, m.bed.Gateway, "") })
	p.within(10*time.Second, "the failure is told", func() error {
		out, err := daemon.Command(ctx, "alarm", "list", "--json")
		if err == nil {
			err = has(out, `"event": "resolved"`, "connection refused")
		}
		return err
	})
	p.must(daemon.Stop())
	p.must(daemon.Start(ctx))
	mails = startIn(t, m.bed.Gateway, python, server, security, certificate)
	p.within(20*time.Second, "the mail of before the restart has arrived", func() error { return has(mails.Output(), resolved) })
	if t.Failed() {
		t.Logf("%s\n%s\n%s", mails.Output(), content(told), manager.Output())
	}
}

// alert tells whether the tunnel's alert is as it should be, "" for none.
func alert(ctx context.Context, space *netns.Space, state string) error {
	out, err := space.Run(ctx, python, "-c", `import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9093/api/v2/alerts", timeout=2).read().decode())`)
	if err != nil {
		return err
	}
	var all []struct {
		Labels map[string]string
		Status struct{ State string }
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var found string
	for _, a := range all {
		if a.Labels["alertname"] == "down" && a.Labels["tunnel"] == name {
			found = a.Status.State
		}
	}
	if found != state {
		return fmt.Errorf("the alert is %q, want %q: %s", found, state, out)
	}
	return nil
}

// startIn runs a program in a namespace until the test ends.
func startIn(t *testing.T, space *netns.Space, program string, args ...string) *netns.Process {
	t.Helper()
	process, err := space.Start(exec.Command(program, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	return process
}

func has(text string, words ...string) error {
	if i := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(text, w) }); i >= 0 {
		return fmt.Errorf("no %q in %q", words[i], text)
	}
	return nil
}

// content is a file's, "" while there is none.
func content(file string) string {
	data, _ := os.ReadFile(file)
	return string(data)
}

func textFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// selfSigned makes a file with a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{{127, 0, 0, 1}}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	return textFile(t, dir, "mail.pem", string(text)+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
