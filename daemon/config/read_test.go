package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
)

// A directory is twinspan.toml and then conf.d/*.toml by name, and what
// editors leave there is not read.
func TestReadDirectory(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
	for name, mode := range map[string]os.FileMode{
		"twinspan.toml": 0o640, "other.toml": 0o600, "conf.d/b.toml": 0o600, "conf.d/a.toml": 0o644,
		"conf.d/.#a.toml": 0o600, "conf.d/a.toml~": 0o600, "conf.d/README": 0o600,
	} {
		write(t, filepath.Join(dir, name), "# "+name, mode)
	}
	files, err := config.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		name, _ := filepath.Rel(dir, f.Name)
		got = append(got, name+" "+f.Mode.String())
		if string(f.Data) != "# "+name {
			t.Errorf("%s holds %q", name, f.Data)
		}
	}
	if want := []string{"twinspan.toml -rw-r-----", "conf.d/a.toml -rw-r--r--", "conf.d/b.toml -rw-------"}; !slices.Equal(got, want) {
		t.Errorf("the files are %q", got)
	}
}

// A file is itself, whatever its name.
func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "any name")
	write(t, name, "x = 1", 0o600)
	files, err := config.Read(name)
	if err != nil || len(files) != 1 || files[0].Name != name || string(files[0].Data) != "x = 1" {
		t.Errorf("the files are %v, the error %v", files, err)
	}
}

// What cannot be read is said for each file, with the reason, beside what is
// wrong in the others.
func TestReadWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	sub := func(name string) string {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(path, 0o755))
		return path
	}
	missing, empty, odd := filepath.Join(dir, "missing"), sub("empty"), sub("odd")
	must(t, os.Symlink("nowhere", filepath.Join(odd, "twinspan.toml")))
	sub("odd/conf.d/directory.toml")
	must(t, syscall.Mkfifo(filepath.Join(odd, "conf.d/pipe.toml"), 0o600))
	write(t, filepath.Join(odd, "conf.d/large.toml"), "", 0o600)
	must(t, os.Truncate(filepath.Join(odd, "conf.d/large.toml"), config.MaxSize+1))
	write(t, filepath.Join(odd, "conf.d/readable.toml"), "vpn_tunel = {}", 0o600)
	for path, want := range map[string]string{
		missing: missing + ": cannot be read: no such file or directory; say where the configuration is",
		empty:   empty + ": there is no twinspan.toml in this directory, and no conf.d/*.toml; write twinspan.toml there, or name another directory or a file",
		odd: odd + "/conf.d/directory.toml: this is not a regular file\n" +
			odd + "/conf.d/large.toml: this file has more than 16 MB\n" +
			odd + "/conf.d/pipe.toml: this is not a regular file\n" +
			odd + "/conf.d/readable.toml:1: unknown key \"vpn_tunel\"; did you mean vpn_tunnel?\n" +
			odd + "/twinspan.toml: cannot be read: no such file or directory",
	} {
		files, err := config.Read(path)
		if err == nil {
			_, err = config.Parse(files)
		}
		if _, ok := err.(config.Faults); !ok || err.Error() != want {
			t.Errorf("the error is\n%v\nand not\n%s", err, want)
		}
	}
}

// conf.d alone will do.
func TestReadConfDOnly(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
	write(t, filepath.Join(dir, "conf.d/a.toml"), "", 0o600)
	files, err := config.Read(dir)
	if err != nil || len(files) != 1 || !strings.HasSuffix(files[0].Name, "conf.d/a.toml") {
		t.Errorf("the files are %v, the error %v", files, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
