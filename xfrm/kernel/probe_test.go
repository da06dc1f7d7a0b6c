package kernel

import (
	"strings"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
)

// The probe says what it could not do, and leaves nothing behind.
func TestProbe(t *testing.T) {
	p := newPlace(t)
	var f Features
	must(t, p.Do(func() (err error) {
		f, err = Probe()
		return err
	}))
	t.Logf("%+v", f)
	if f.ESP && f.Interfaces != (len(f.Missing) == 0) || netns.InVM() && len(f.Missing) > 0 {
		t.Errorf("%+v does not say what is missing, or says too much", f)
	}
	for _, m := range f.Missing {
		if !strings.Contains(m, "modprobe") {
			t.Errorf("%q does not say what to do", m)
		}
	}
	for _, args := range [][]string{{"xfrm", "state"}, {"xfrm", "policy"}} {
		if left := p.ip(t, args...); left != "" {
			t.Errorf("ip %v: the probe left\n%s", args, left)
		}
	}
	if links := p.ip(t, "link"); strings.Contains(links, "twinprobe") {
		t.Errorf("the probe left a device:\n%s", links)
	}
}
