package tunnel

import (
	"encoding/binary"
	"io"
	"time"
)

// The pauses between tries: 1, 2, 4 ... 60 s, each up to a quarter more or less
// so that the tunnels of two hosts that came back together do not march in
// step.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// backoff is the pause before the next try.
type backoff struct {
	try  int       // failures in a row
	next time.Time // zero: no pause
}

// fail counts a failure and plans the next try.
func (b *backoff) fail(now time.Time, rand io.Reader) {
	pause := longestPause
	if b.try < 6 {
		pause = firstPause << b.try
	}
	b.try++
	b.next = now.Add(spread(pause, rand))
}

// spread draws from [3/4 d, 5/4 d).
func spread(d time.Duration, rand io.Reader) time.Duration {
	var b [2]byte
	_, _ = io.ReadFull(rand, b[:]) // ike.Env's chance never fails
	return d*3/4 + d/2*time.Duration(binary.BigEndian.Uint16(b[:]))>>16
}
