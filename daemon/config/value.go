package config

import (
	"cmp"
	"fmt"
)

// Pos is a place in the files. The zero Pos is nowhere.
type Pos struct {
	File string // as it was given to Parse
	Line int    // from 1; 0 is the file as a whole
}

// String is "edge.toml:41".
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Compare orders by file, then by line.
func (p Pos) Compare(o Pos) int {
	return cmp.Or(cmp.Compare(p.File, o.File), cmp.Compare(p.Line, o.Line))
}

// Fault is a fault at this place.
func (p Pos) Fault(what, do string) Fault { return Fault{p.File, p.Line, what, do} }

// Value is one value and where it stands. The zero Value was not written, or
// was written wrongly and reported.
type Value[T any] struct {
	V T
	Pos
}

// IsSet tells that the value was written.
func (v Value[T]) IsSet() bool { return v.File != "" || v.Line != 0 }

// Or is the value, or the default where none was written.
func (v Value[T]) Or(otherwise T) T {
	if v.IsSet() {
		return v.V
	}
	return otherwise
}
