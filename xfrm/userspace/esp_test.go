package userspace

import (
	"bytes"
	"fmt"
	"testing"
)

// What one end seals the other opens, in every suite, for every length around
// the block sizes, and never in more bytes than was reckoned.
func TestSealOpen(t *testing.T) {
	for _, s := range suites() {
		t.Run(s.String(), func(t *testing.T) {
			l := newLoop(t, s)
			seen := map[string]bool{}
			for n := ipv6Header; n < ipv6Header+70; n++ {
				for _, six := range []bool{false, true} {
					packet := testPacket(six, n)
					esp := l.seal(t, packet)
					iv := fmt.Sprintf("%x", esp[espHeader:espHeader+s.Cipher.BlockSize()])
					if seen[iv] {
						t.Fatalf("the IV %s comes twice", iv)
					}
					seen[iv] = true
					if got, ok := l.open(esp); !ok || !bytes.Equal(got, packet) {
						t.Fatalf("%d bytes: %x came back as %x (%+v)", n, packet, got, &l.count)
					}
					if most := l.out.out.sealer.innerMax(len(esp)); most < n || n < most-s.Cipher.BlockSize() {
						t.Fatalf("%d bytes took %d, where %d bytes should fit", n, len(esp), most)
					}
				}
			}
		})
	}
}

// Whatever a packet's bytes, one that was changed or cut is not opened, and
// leaves no trace in the replay window.
func TestChangedPacketsAreNotOpened(t *testing.T) {
	for _, s := range suites() {
		l := newLoop(t, s)
		packet := testPacket(false, 60)
		l.out.out.seq = 5 // no bit of 6 makes it 0
		esp := l.seal(t, packet)
		for i := range len(esp) * 8 {
			changed := bytes.Clone(esp)
			changed[i/8] ^= 1 << (i % 8)
			if _, ok := l.open(changed); ok {
				t.Fatalf("%v: opened with bit %d changed", s, i)
			}
		}
		for n := espHeader; n < len(esp); n++ {
			if _, ok := l.open(esp[:n]); ok {
				t.Fatalf("%v: opened when cut to %d bytes", s, n)
			}
		}
		if got, ok := l.open(esp); !ok || !bytes.Equal(got, packet) {
			t.Fatalf("%v: the unchanged packet is not opened any more", s)
		}
		if _, ok := l.open(esp); ok {
			t.Fatalf("%v: opened twice", s)
		}
		if l.in.used.ReplayErrors != 1 || l.in.used.Packets != 1 {
			t.Fatalf("%v: usage %+v", s, l.in.used)
		}
	}
}

// FuzzOpen gives an SA packets that its peer did not send: none may come
// through, and the peer's own packet must after all of them. With signed set
// the peer itself is hostile: whatever it puts under a right integrity value,
// what comes out is a whole packet or nothing.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, uint8(0), false)
	for i, s := range suites() {
		esp := newLoop(f, s).seal(f, testPacket(i%2 == 0, 60)) // another's: the keys below differ
		f.Add(esp, uint8(i), false)
		f.Add(esp, uint8(i), true)
	}
	f.Fuzz(func(t *testing.T, esp []byte, which uint8, signed bool) {
		all := suites()
		l := newKeyedLoop(t, all[int(which)%len(all)], 99)
		l.out.out.seq = 5
		genuine := l.seal(t, testPacket(which%2 == 0, 61))
		if len(esp) < espHeader {
			return // the SPI could not be read
		}
		esp = bytes.Clone(esp) // the fuzzer's own must stay as it is
		m := &l.in.in.opener.mac
		if body := len(esp) - m.size; body >= espHeader {
			icv := m.of(esp[:body])
			if signed {
				copy(esp[body:], icv)
			}
			signed = bytes.Equal(esp[body:], icv) // an input may also be kept with it
		}
		p, ok := l.open(esp)
		if ok && !signed {
			t.Fatalf("%x was opened to %x", esp, p)
		}
		if h, whole := readInner(p); ok && (!whole || h.len != len(p)) {
			t.Fatalf("%x came out, which is no packet", p)
		}
		if signed {
			return // it may have used up the number
		}
		if _, ok := l.open(genuine); !ok {
			t.Fatal("the peer's packet is not opened any more")
		}
	})
}
