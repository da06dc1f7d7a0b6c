package xfrm

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a key that cannot be printed, marshalled or compared by accident.
// The bytes hide in a closure, because fmt prints a named []byte through
// unexported fields of other types whatever methods it has.
type Secret struct{ open func() []byte }

// NewSecret keeps a copy of b.
func NewSecret(b []byte) Secret {
	own := append([]byte(nil), b...)
	return Secret{func() []byte { return own }}
}

// Open returns the secret's bytes, nil when there is none. They are shared: do
// not change them, do not keep them.
func (s Secret) Open() []byte {
	if s.open == nil {
		return nil
	}
	return s.open()
}

// IsZero tells that there is no secret.
func (s Secret) IsZero() bool { return s.open == nil }

// Len is the number of bytes.
func (s Secret) Len() int { return len(s.Open()) }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool { return subtle.ConstantTimeCompare(s.Open(), o.Open()) == 1 }

// Wipe overwrites the bytes; every copy of the Secret loses them.
func (s Secret) Wipe() { clear(s.Open()) }

const hidden = "[secret]"

// Format prints the same word for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText gives the same word to every encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue gives the same word to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
