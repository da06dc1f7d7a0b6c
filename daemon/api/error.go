package api

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
)

// Code is the class of an Error.
type Code string

// The classes of errors, each with its HTTP status.
const (
	NotFound      Code = "not_found"      // 404: no such tunnel, no such resource
	Forbidden     Code = "forbidden"      // 403: the caller may look but not change
	BadRequest    Code = "bad_request"    // 400: a word of the request cannot be read, or means nothing
	InvalidConfig Code = "invalid_config" // 422: nothing was changed; Faults
	Busy          Code = "busy"           // 503: the daemon stops, or serves enough readers
	Failed        Code = "failed"         // 500: anything else
)

// Error is what the server answers instead of a document.
type Error struct {
	Code    Code          `json:"code"`
	Message string        `json:"message"` // what, where, what to do
	Faults  []ConfigFault `json:"faults,omitempty"`
}

// Error is the message with its faults, one per line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, f := range e.Faults {
		b.WriteString("\n" + f.String())
	}
	return b.String()
}

// String is "edge.toml:41: what is wrong; what to do".
func (f ConfigFault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.What)
	if f.Do != "" {
		b.WriteString("; " + f.Do)
	}
	return b.String()
}

// String is all of a fault on one line.
func (f *Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Text)
	if f.Ours != "" || f.Theirs != "" {
		fmt.Fprintf(&b, " (ours: %s; theirs: %s)", cmp.Or(f.Ours, "none"), cmp.Or(f.Theirs, "none"))
	}
	switch {
	case f.Advice != "":
		b.WriteString("; " + f.Advice)
	case f.PeerAdvice != "":
		b.WriteString("; at the peer: " + f.PeerAdvice)
	}
	return b.String()
}

func (c Code) status() int {
	switch c {
	case NotFound:
		return http.StatusNotFound
	case Forbidden:
		return http.StatusForbidden
	case BadRequest:
		return http.StatusBadRequest
	case InvalidConfig:
		return http.StatusUnprocessableEntity
	case Busy:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// failure is the document around an Error.
type failure struct {
	Version int    `json:"version"`
	Error   *Error `json:"error"`
}
