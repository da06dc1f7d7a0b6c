package config

import (
	"cmp"
	"slices"
	"strings"
)

// Fault is one thing that is wrong: where, what, and what to do about it. None
// of its texts ever holds a secret.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0: the file as a whole
	What string `json:"what"`
	Do   string `json:"do,omitempty"` // "" when it is plain
}

// Pos is where the fault is.
func (f Fault) Pos() Pos { return Pos{f.File, f.Line} }

// Error is all of it on one line: "edge.toml:41: what is wrong; what to do".
func (f Fault) Error() string {
	s := f.What
	if f.Do != "" {
		s += "; " + f.Do
	}
	if at := f.Pos().String(); at != "" {
		return at + ": " + s
	}
	return s
}

// Faults is every fault that was found. As an error it is never empty.
type Faults []Fault

// Error lists the faults one per line, sorted by file and line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs.Sorted() {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Sorted is a copy, sorted by file and line.
func (fs Faults) Sorted() Faults {
	fs = slices.Clone(fs)
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(a.Pos().Compare(b.Pos()), cmp.Compare(a.What, b.What))
	})
	return fs
}

// Err is nil when there is no fault, else the faults in their order, each once.
func (fs Faults) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return slices.Compact(fs.Sorted())
}
