package userspace

import "golang.org/x/sys/unix"

// pages is memory for packets, zeroed, outside of the heap. What of it is never
// written costs nothing there; in the heap it would count as used, and the
// garbage collector lets as much garbage lie as there is in use.
func pages(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, n)
	}
	return b
}

// freePages gives back what pages returned. Nobody may have it any more.
func freePages(b []byte) { _ = unix.Munmap(b) } // fails for what came from the heap

// emptyPages lets the system have what was written in b; it reads as zeros, or
// as before.
func emptyPages(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

// bigPacket is what packets seldom exceed: more than a page of them was written.
const bigPacket = 4096
