package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
)

// needStage skips where the demo cannot play.
func needStage(t *testing.T, peer string) {
	t.Helper()
	netns.NeedRoot(t)
	if err := swan.Available(); peer == strongSwan && err != nil {
		netns.Lacks(t, err)
	}
}

// The demo plays to its end with either peer, and shows what it is to show.
func TestTheQuickStart(t *testing.T) {
	for _, peer := range []string{twinspan, strongSwan} {
		t.Run(peer, func(t *testing.T) {
			needStage(t, peer)
			ownTemp(t)
			var out, complaints bytes.Buffer
			if code := run(t.Context(), []string{"-peer", peer}, &out, &complaints); code != 0 {
				t.Fatalf("exit code %d\n%s%s", code, &out, &complaints)
			}
			inOrder(t, out.String(), "Step 1:", "+ [vpn_gateway.TomVPNGw]", "data plane is", "Step 2:", "+ [customer_gateway.TomVPNUserGw]",
				"Step 3:", "+ [vpn_tunnel.TomVPNConn]", "0 of 2 answered", "Step 4:", "Step 5:", "0 of 2 answered", "+ [route_table.main]",
				"waits for the first packet", "Step 6:", "the tunnel is up", "10 sent, 10 received", "10 sent, 10 received",
				"TomVPNConn", "ESP", " 0 clear text", "All of it was seen")
		})
	}
}

// inOrder checks that the text has the words, one after the other.
func inOrder(t *testing.T, text string, words ...string) {
	t.Helper()
	rest := text
	for _, w := range words {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			t.Fatalf("%q is missing, or not in its place:\n%s", w, text)
		}
		rest = after
	}
}

// ownTemp gives the test a directory for temporary files that must be empty in
// the end: no file stays behind. That no program does, the demo checks itself.
func ownTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
}

// cutter cancels when it sees a word written.
type cutter struct {
	mu     sync.Mutex
	text   strings.Builder
	word   string
	cancel func()
}

func (c *cutter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	if strings.Contains(c.text.String(), c.word) {
		c.cancel()
	}
	return len(p), nil
}

// An interrupt ends it at any step, with everything cleaned up.
func TestAnInterruptCleansUp(t *testing.T) {
	for _, word := range []string{"Step 1", "Step 2", "Step 4", "Step 6", "The networks reach"} {
		t.Run(word, func(t *testing.T) {
			needStage(t, twinspan)
			ownTemp(t)
			ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(time.Minute))
			defer cancel()
			out := &cutter{word: word, cancel: cancel}
			var complaints bytes.Buffer
			code := run(ctx, nil, out, &complaints)
			if code != 130 || !strings.Contains(complaints.String(), "interrupted") {
				t.Errorf("exit code %d\n%s%s", code, out.text.String(), &complaints)
			}
		})
	}
}

func TestAWrongPeerIsAnError(t *testing.T) {
	netns.NeedRoot(t)
	var complaints bytes.Buffer
	if code := run(t.Context(), []string{"-peer", "racoon"}, &bytes.Buffer{}, &complaints); code != 1 || !strings.Contains(complaints.String(), strongSwan) {
		t.Errorf("exit code %d, %s", code, &complaints)
	}
	if code := run(t.Context(), []string{"-nonsense"}, &bytes.Buffer{}, &bytes.Buffer{}); code != 2 {
		t.Errorf("exit code %d", code)
	}
}

func TestAddedLines(t *testing.T) {
	before := "a\nb\n\nc\n"
	now := "a\nb\nnew 1\n\nc\n\nnew 2\nnew 3\n"
	if got, want := added(before, now), "new 1\n\nnew 2\nnew 3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := added("", now); got != strings.Trim(now, "\n") {
		t.Errorf("got %q", got)
	}
}
