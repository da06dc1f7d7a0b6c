package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/api/client"
)

// The exit codes, but for those of status --check.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitUnreachable  = 3
	exitInvalid      = 4
	exitNotUp        = 5
	exitNotPermitted = 6
)

// exit is an error that has its exit code. One without a cause has been
// explained to the user already.
type exit struct {
	code  int
	cause error
}

func (e exit) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.cause.Error()
}

func (e exit) Unwrap() error { return e.cause }

// failed gives err the exit code that fits it.
func failed(err error) error {
	var gone *client.Unreachable
	var told *api.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return exit{exitFailed, errors.New("interrupted")}
	case errors.As(err, &gone) && errors.Is(err, fs.ErrPermission):
		return exit{exitNotPermitted, fmt.Errorf("the socket %s is not for you; be root or a member of the group twinspan", gone.Socket)}
	case errors.As(err, &gone):
		return exit{exitUnreachable, err}
	case errors.As(err, &told) && told.Code == api.Forbidden:
		return exit{exitNotPermitted, err}
	case errors.As(err, &told) && told.Code == api.BadRequest:
		return exit{exitUsage, err}
	case errors.As(err, &told) && told.Code == api.InvalidConfig:
		return exit{exitInvalid, err}
	}
	return exit{exitFailed, err}
}

// finish prints what is left to say and returns the exit code. An error that
// no command returned is cobra's: wrong usage.
func (t terminal) finish(err error) int {
	var e exit
	switch {
	case err == nil:
		return exitDone
	case !errors.As(err, &e):
		fmt.Fprintf(t.err, "twinspan: %s; see: twinspan --help\n", printable(err.Error()))
		return exitUsage
	case e.cause != nil:
		fmt.Fprintf(t.err, "twinspan: %s\n", printableLines(err.Error()))
	}
	return e.code
}
