package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twinspan/twinspan/xfrm"
)

// maxKey is the most bytes that a pre-shared key may have.
const maxKey = 4096

// maxKeys is how many pre-shared keys a tunnel may have: each costs a try when a
// peer begins in main mode.
const maxKeys = 8

// presharedKeys reads a tunnel's keys from one of the two places where they may
// be. No message tells any part of them.
func presharedKeys(t *table) []Value[xfrm.Secret] {
	const inline, file = "pre_shared_key", "pre_shared_key_file"
	keys := many(t, inline, asKey)
	names := many(t, file, asText)
	_, isInline := t.values[inline]
	_, isFile := t.values[file]
	switch {
	case isInline && isFile:
		t.fault(t.pos(file), inline+" and "+file+" are both set", "keep one of them")
		return nil
	case isInline:
		exposedKeys(t, inline)
		return distinctKeys(t, inline, keys)
	case isFile:
		return distinctKeys(t, file, fileKeys(t, file, names))
	}
	t.fault(t.here(), "there is no pre-shared key", "write "+file+` = "the name of a file that only the daemon can read"`)
	return nil
}

// secret reads a secret that may be absent from one of the two places where it
// may be.
func secret(t *table, inline string) Value[xfrm.Secret] {
	file := inline + "_file"
	v, name := one(t, inline, asKey), one(t, file, asText)
	_, isInline := t.values[inline]
	_, isFile := t.values[file]
	switch {
	case isInline && isFile:
		t.fault(t.pos(file), inline+" and "+file+" are both set", "keep one of them")
	case isInline:
		exposedKeys(t, inline)
		return v
	case name.IsSet():
		if keys := fileKeys(t, file, []Value[string]{name}); len(keys) == 1 {
			return keys[0]
		}
	}
	return Value[xfrm.Secret]{}
}

// exposedKeys reports, once for each file, that others can read the keys in it.
func exposedKeys(t *table, key string) {
	p := t.p
	if p.file.Mode&othersRead != 0 && !p.exposed {
		p.exposed = true
		t.fault(t.pos(key), fmt.Sprintf("%s stands in a file that others can open (its mode is %04o)", key, p.file.Mode.Perm()),
			chmod(p.file.Name)+", or use "+key+"_file")
	}
}

// distinctKeys holds that there are few keys, and none of them twice.
func distinctKeys(t *table, key string, keys []Value[xfrm.Secret]) []Value[xfrm.Secret] {
	if len(keys) > maxKeys {
		t.fault(keys[maxKeys].Pos, fmt.Sprintf("%s has %d keys, and at most %d are tried", key, len(keys), maxKeys), "take the old ones out")
		return nil
	}
	for i, k := range keys {
		if slices.ContainsFunc(keys[:i], func(o Value[xfrm.Secret]) bool { return o.V.Equal(k.V) }) {
			t.fault(k.Pos, key+" has the same key twice", "take one out")
		}
	}
	return keys
}

// fileKeys reads the files that hold one key each.
func fileKeys(t *table, key string, names []Value[string]) []Value[xfrm.Secret] {
	var keys []Value[xfrm.Secret]
	for _, name := range names {
		data, ok := readKey(t, key, name)
		if !ok {
			continue
		}
		if k := item(t, key, name.Pos, data, asKey); k.IsSet() {
			keys = append(keys, k)
		}
	}
	return keys
}

// readKey reads the file of a key; a newline at its end does not count.
func readKey(t *table, key string, name Value[string]) (string, bool) {
	path := beside(t.p.file.Name, name.V)
	f, err := t.p.read(path)
	if err != nil {
		t.fault(name.Pos, fmt.Sprintf("%s: %s: %v", key, path, err), "")
		return "", false
	}
	if f.Mode&othersRead != 0 {
		t.fault(name.Pos, fmt.Sprintf("%s: others can open %s (its mode is %04o)", key, path, f.Mode.Perm()), chmod(path))
	}
	data, ended := bytes.CutSuffix(f.Data, []byte("\n"))
	if ended {
		data = bytes.TrimSuffix(data, []byte("\r"))
	}
	return string(data), true
}

// beside is the path of a file that another one names.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// asKey takes the bytes of a key as they are.
func asKey(v any) (xfrm.Secret, *problem) {
	s, ok := v.(string)
	switch {
	case !ok:
		return xfrm.Secret{}, &problem{"must be text, not " + kind(v), "write it between double quotes"}
	case strings.TrimSpace(s) == "":
		return xfrm.Secret{}, &problem{"is empty or has nothing but spaces", "write a long random key"}
	case len(s) > maxKey:
		return xfrm.Secret{}, &problem{fmt.Sprintf("has more than %d bytes", maxKey), "write a shorter one"}
	}
	return xfrm.NewSecret([]byte(s)), nil
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
