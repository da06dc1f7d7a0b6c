package daemon

import (
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells systemd what goes on (sd_notify(3)). Without systemd it tells
// nobody. Its errors are dropped: nobody could be told of them either.
type notifier struct {
	every time.Duration // between two pings of the watchdog, 0 for none
	last  *time.Time
}

func newNotifier() notifier {
	limit, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		limit = 0
	}
	return notifier{every: limit / 3, last: new(time.Time)}
}

func (notifier) say(words string) { _, _ = sd.SdNotify(false, words) }

func (n notifier) ready(text string)  { n.say(sd.SdNotifyReady + "\nSTATUS=" + oneLine(text)) }
func (n notifier) status(text string) { n.say("STATUS=" + oneLine(text)) }
func (n notifier) stopping()          { n.say(sd.SdNotifyStopping) }

// reloading carries the time in the same datagram, as systemd 253 and later
// ask for.
func (n notifier) reloading() { n.say(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec()) }

// watchdog is called by the loop, so that a loop that hangs is noticed.
func (n notifier) watchdog(now time.Time) {
	if n.every > 0 && now.Sub(*n.last) >= n.every {
		*n.last = now
		n.say(sd.SdNotifyWatchdog)
	}
}

// oneLine keeps a text from adding fields of its own.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
	return string(b)
}
