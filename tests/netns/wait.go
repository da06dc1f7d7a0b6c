package netns

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// Until asks again and again until cond is content, and returns its last
// complaint when the context ends first.
func Until(ctx context.Context, cond func() error) error {
	for {
		err := cond()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, still: %w", context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// InVM tells whether this process runs in the virtual machine of tests/vm,
// whose kernel has ESP and XFRM interfaces, and is slow.
func InVM() bool { return os.Getenv("TWINSPAN_VM") != "" }

// Patience stretches a time-out where everything takes longer: in the virtual
// machine, whose processor is emulated.
func Patience(d time.Duration) time.Duration {
	if InVM() {
		return 8 * d
	}
	return d
}

// Lacks skips a test on a machine that lacks something, and says what. Where
// the whole suite is to run (`make test` sets TWINSPAN_TESTS=all) the machine
// should have it, and the test fails.
func Lacks(t testing.TB, what ...any) {
	t.Helper()
	if os.Getenv("TWINSPAN_TESTS") == "all" {
		t.Fatal(what...)
	}
	t.Skip(what...)
}

// NeedRoot skips a test that builds namespaces when this process may not.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacks(t, "network namespaces need root")
	}
}
