package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/twinspan/twinspan/xfrm"
)

// maxKey is the most bytes that a pre-shared key may have.
const maxKey = 4096

// presharedKey reads a tunnel's key from one of the two places where it may
// be. No message tells any part of it.
func presharedKey(t *table) Value[xfrm.Secret] {
	const inline, file = "pre_shared_key", "pre_shared_key_file"
	v, isInline := t.get(inline)
	_, isFile := t.values[file]
	name := one(t, file, asText)
	switch {
	case isInline && isFile:
		t.fault(t.pos(file), inline+" and "+file+" are both set", "keep one of them")
	case isInline:
		return inlineKey(t, inline, v)
	case name.IsSet():
		return fileKey(t, file, name)
	case !isFile:
		t.fault(t.here(), "there is no pre-shared key", "write "+file+` = "the name of a file that only the daemon can read"`)
	}
	return Value[xfrm.Secret]{}
}

func inlineKey(t *table, key string, v any) Value[xfrm.Secret] {
	p := t.p
	if p.file.Mode&othersRead != 0 && !p.exposed {
		p.exposed = true // once for each file
		t.fault(t.pos(key), fmt.Sprintf("%s stands in a file that others can open (its mode is %04o)", key, p.file.Mode.Perm()),
			chmod(p.file.Name)+", or use pre_shared_key_file")
	}
	s, ok := v.(string)
	if !ok {
		t.fault(t.pos(key), key+" must be text, not "+kind(v), "write it between double quotes")
		return Value[xfrm.Secret]{}
	}
	return checkedKey(t, key, t.pos(key), []byte(s))
}

func fileKey(t *table, key string, name Value[string]) Value[xfrm.Secret] {
	path := name.V
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(t.p.file.Name), path)
	}
	f, err := t.p.read(path)
	if err != nil {
		t.fault(name.Pos, fmt.Sprintf("%s: %s: %v", key, path, err), "")
		return Value[xfrm.Secret]{}
	}
	if f.Mode&othersRead != 0 {
		t.fault(name.Pos, fmt.Sprintf("%s: others can open %s (its mode is %04o)", key, path, f.Mode.Perm()), chmod(path))
	}
	data, ended := bytes.CutSuffix(f.Data, []byte("\n"))
	if ended {
		data = bytes.TrimSuffix(data, []byte("\r"))
	}
	return checkedKey(t, key, name.Pos, data)
}

// checkedKey takes the bytes of a key as they are.
func checkedKey(t *table, key string, at Pos, data []byte) Value[xfrm.Secret] {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		t.fault(at, key+" is empty or has nothing but spaces", "write a long random key")
	case len(data) > maxKey:
		t.fault(at, fmt.Sprintf("%s has more than %d bytes", key, maxKey), "write a shorter one")
	default:
		return Value[xfrm.Secret]{xfrm.NewSecret(data), at}
	}
	return Value[xfrm.Secret]{}
}

// othersRead are the permissions that a file with a key must not give.
const othersRead fs.FileMode = 0o077

// chmod is the command that keeps others out of a file.
func chmod(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@", r)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		name = "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return "run: chmod 600 " + name
}
