package xfrm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A secret stays hidden however it is printed, also inside another type.
func TestSecretCannotBePrinted(t *testing.T) {
	s := NewSecret([]byte("correct horse"))
	holder := struct{ key Secret }{s}
	sa := SA{EncKey: s, AuthKey: s}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, s, &s, holder, sa)
	}
	b, err := json.Marshal(map[string]any{"s": s, "sa": sa})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "sa", sa)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "sa", sa)
	for _, leak := range []string{"correct", "636f7272656374", "636F7272656374", "99 111 114"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the secret shows as %q in\n%s", leak, out.String())
		}
	}
}

func TestSecretKeepsItsOwnCopy(t *testing.T) {
	b := []byte("key")
	s := NewSecret(b)
	b[0] = 'x'
	if !bytes.Equal(s.Open(), []byte("key")) || !s.Equal(NewSecret([]byte("key"))) {
		t.Fatalf("changing the source changed the secret")
	}
	same := s
	s.Wipe()
	if !bytes.Equal(same.Open(), make([]byte, 3)) {
		t.Fatal("a copy survived the wiping")
	}
	if (Secret{}).Open() != nil || !(Secret{}).IsZero() {
		t.Fatal("the zero secret has bytes")
	}
}
