package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
)

// tunnelWith is a tunnel with these lines about its key.
func tunnelWith(lines string) string {
	return "[vpn_tunnel.t]\nvpn_gateway = \"g\"\ncustomer_gateway = \"c\"\n" + lines +
		"\nspd = [{ local = \"192.168.1.0/24\", peer = \"10.0.0.0/24\" }]\n"
}

// A pre-shared key is its bytes, unchanged, wherever it stands.
func TestPresharedKeys(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "newline"), "from a file\n", 0o600)
	write(t, filepath.Join(dir, "dos"), "from a file\r\n", 0o400)
	write(t, filepath.Join(dir, "two newlines"), " spaces stay \n\n", 0o600)
	write(t, filepath.Join(dir, "plain"), "no newline", 0o600)
	for lines, want := range map[string]string{
		`pre_shared_key = "123456"`:                                   "123456",
		`pre_shared_key = "密钥 ключ"`:                                  "密钥 ключ",
		`pre_shared_key = "e\u0301 is not é"`:                         "e\u0301 is not é", // no normalisation
		`pre_shared_key = " a\tb\u0000 "`:                             " a\tb\x00 ",
		`pre_shared_key_file = "newline"`:                             "from a file",
		`pre_shared_key_file = "dos"`:                                 "from a file",
		`pre_shared_key_file = "two newlines"`:                        " spaces stay \n",
		`pre_shared_key_file = "` + dir + `/plain"`:                   "no newline",
		`pre_shared_key_file = "../` + filepath.Base(dir) + `/plain"`: "no newline",
	} {
		f := config.File{Name: filepath.Join(dir, "t.toml"), Data: []byte(tunnelWith(lines)), Mode: 0o600}
		c, err := config.Parse([]config.File{f})
		if err != nil {
			t.Errorf("%s: %v", lines, err)
			continue
		}
		keys := c.Tunnels[0].Keys
		if got := string(keys[0].V.Open()); len(keys) != 1 || got != want || keys[0].Line != 4 {
			t.Errorf("%s: the key is %q at line %d", lines, got, keys[0].Line)
		}
	}
}

// Several keys are kept in their order, each with its line.
func TestKeysInRotation(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "new"), "the new key\n", 0o600)
	write(t, filepath.Join(dir, "old"), "the old key\n", 0o600)
	for _, lines := range []string{
		"pre_shared_key = [\"the new key\",\n\"the old key\"]",
		"pre_shared_key_file = [\"new\",\n\"old\"]",
	} {
		f := config.File{Name: filepath.Join(dir, "t.toml"), Data: []byte(tunnelWith(lines)), Mode: 0o600}
		c, err := config.Parse([]config.File{f})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"the new key", "the old key"} {
			if k := c.Tunnels[0].Keys[i]; string(k.V.Open()) != want || k.Line != 4+i {
				t.Errorf("%s: key %d is %q at line %d", lines, i, k.V.Open(), k.Line)
			}
		}
	}
	write(t, filepath.Join(dir, "again"), "the new key", 0o600)
	f := config.File{Name: filepath.Join(dir, "t.toml"), Data: []byte(tunnelWith(`pre_shared_key_file = ["new", "again"]`)), Mode: 0o600}
	want := f.Name + `:4: tunnel "t": pre_shared_key_file has the same key twice; take one out`
	if _, err := config.Parse([]config.File{f}); fmt.Sprint(err) != want {
		t.Errorf("the fault is %v", err)
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// A file that others may open is no place for a key; the fault says what to
// type, once for each file.
func TestKeysThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "the key")
	write(t, key, "never shown", 0o640)
	for _, tc := range []struct {
		name, lines string
		mode        os.FileMode
		want        string
	}{
		{"inline, all may read", `pre_shared_key = "never shown"`, 0o644,
			`t.toml:4: tunnel "t": pre_shared_key stands in a file that others can open (its mode is 0644); run: chmod 600 t.toml, or use pre_shared_key_file`},
		{"inline, the group may write", `pre_shared_key = "never shown"`, 0o620,
			`t.toml:4: tunnel "t": pre_shared_key stands in a file that others can open (its mode is 0620); run: chmod 600 t.toml, or use pre_shared_key_file`},
		{"inline, nobody else may", `pre_shared_key = "never shown"`, 0o600, ""},
		{"a file, the group may read", `pre_shared_key_file = "` + key + `"`, 0o644,
			`t.toml:4: tunnel "t": pre_shared_key_file: others can open ` + key + ` (its mode is 0640); run: chmod 600 '` + key + `'`},
		{"a directory", `pre_shared_key_file = "` + dir + `"`, 0o644,
			`t.toml:4: tunnel "t": pre_shared_key_file: ` + dir + `: this is not a regular file`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := tunnelWith(tc.lines) + strings.ReplaceAll(tunnelWith(tc.lines), "tunnel.t", "tunnel.u")
			_, err := config.Parse([]config.File{{Name: "t.toml", Data: []byte(text), Mode: tc.mode}})
			got, _, _ := strings.Cut(fmt.Sprint(err), "\n")
			if tc.want == "" {
				tc.want = "<nil>"
			}
			if got != tc.want {
				t.Errorf("the fault is\n%s\nand not\n%s", got, tc.want)
			}
			if inline := strings.Contains(tc.want, "stands in"); inline && strings.Contains(err.Error(), "\n") {
				t.Errorf("the file is reported twice:\n%v", err)
			}
		})
	}
}

// Whatever is wrong with a key, and whatever is wrong around it, no message and
// no printed configuration shows it.
func TestKeysAreNeverShown(t *testing.T) {
	const key = "Tr0ub4dor"
	dir := t.TempDir()
	write(t, filepath.Join(dir, "long"), strings.Repeat(key, 1000), 0o600)
	for _, lines := range []string{
		`pre_shared_key = "` + key + `"`,
		`pre_shared_key = ` + key,
		`pre_shared_key = "` + key,
		`pre_shared_key = "` + key + `" "` + key + `"`,
		`pre_shared_key = '` + key + `\x'` + key,
		`pre_shared_key = "\q` + key + `"`,
		`pre_shared_key = ["` + key + `"]`,
		`pre_shared_key = {` + key + ` = 1}`,
		`pre_shared_key = """` + key,
		`pre_shared_key "` + key + `"`,
		"pre_shared_key = \"" + key + "\x01\"",
		"pre_shared_key = \"" + key + "\"\npre_shared_key = \"" + key + "\"",
		"pre_shared_key = \"" + key + "\"\npre_shared_key_file = \"none\"",
		`presharedkey = "` + key + `"`,
		`presharedkey = ` + key,
		`pre_shared_key = "` + strings.Repeat(key, 1000) + `"`,
		`pre_shared_key_file = "long"`,
	} {
		f := config.File{Name: filepath.Join(dir, "t.toml"), Data: []byte(tunnelWith(lines)), Mode: 0o600}
		c, err := config.Parse([]config.File{f})
		if shown := fmt.Sprintf("%v %+v %#v", err, c, c); strings.Contains(shown, key) || strings.Contains(shown, key[:4]) {
			t.Errorf("%s:\n%s", lines, shown)
		}
	}
	// Numbers and dates, which the library would repeat.
	for _, number := range []string{"0123456", "99999999999999999999", "1_", "2024-99-99", "0b12", "1.2.3", "+0x12", "1e", "1e999", "0x99999999999999999"} {
		_, err := config.Parse([]config.File{{Name: "t", Data: []byte("[v.t]\npre_shared_key = " + number + "\n"), Mode: 0o600}})
		if err == nil || strings.Contains(err.Error(), number[:2]) && number != "1e" {
			t.Errorf("%s: %v", number, err)
		}
	}
}

// What receivers authenticate with is kept as pre-shared keys are.
func TestSecretsOfReceivers(t *testing.T) {
	const key = "Tr0ub4dor"
	dir := t.TempDir()
	write(t, filepath.Join(dir, "open"), key, 0o644)
	write(t, filepath.Join(dir, "closed"), key+"\n", 0o600)
	for lines, want := range map[string]string{
		`token = "` + key + `"`:                            "",
		`token_file = "closed"`:                            "",
		`token = ["` + key + `"]`:                          "token must be text, not a list",
		`token_file = "open"`:                              "others can open",
		"token = \"" + key + "\"\ntoken_file = \"closed\"": "both set",
		`url2 = "http://` + key + `@x/"`:                   "unknown key",
	} {
		f := config.File{Name: filepath.Join(dir, "t.toml"), Data: []byte("[receiver.r]\ntype = \"webhook\"\nurl = \"https://example.com\"\n" + lines + "\n"), Mode: 0o600}
		c, err := config.Parse([]config.File{f})
		if shown := fmt.Sprintf("%v %+v %#v", err, c, c); strings.Contains(shown, key) {
			t.Errorf("%s:\n%s", lines, shown)
		}
		if want == "" && (err != nil || string(c.Receivers[0].Token.V.Open()) != key) || want != "" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
	f := config.File{Name: "t.toml", Data: []byte("[receiver.r]\ntype = \"webhook\"\nurl = \"https://x\"\ntoken = \"" + key + "\"\n"), Mode: 0o644}
	if _, err := config.Parse([]config.File{f}); err == nil || !strings.Contains(err.Error(), "token stands in a file that others can open") || !strings.Contains(err.Error(), "token_file") {
		t.Errorf("the fault is %v", err)
	}
}
