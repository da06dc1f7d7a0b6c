// Package xfrm holds the words of the data plane: SA, Policy, Selector, Suite,
// Secret, Usage, Event and the Backend that every data plane implements. It
// knows neither IKE nor netlink, and imports the standard library only.
package xfrm

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Ours marks what Twinspan put into the kernel: every if_id that we use lies in
// [Ours, Ours+0xffff]. Whatever has an if_id outside it belongs to somebody
// else and is never touched.
const Ours uint32 = 0x54570000

// IsOurs tells whether an if_id is one of ours.
func IsOurs(ifID uint32) bool { return ifID&0xffff0000 == Ours && ifID != Ours }

// Protocol numbers and ports of RFC 4303 and RFC 3948.
const (
	ProtoESP = 50
	PortIKE  = 500
	PortNATT = 4500
	MinSPI   = 256  // 1..255 are reserved (RFC 4303 §2.1)
	Replay   = 1024 // packets that the replay window spans
)

// Direction of an SA as this host sees it.
type Direction uint8

// The directions of an SA.
const (
	In Direction = iota + 1
	Out
)

func (d Direction) String() string {
	switch d {
	case In:
		return "in"
	case Out:
		return "out"
	}
	return fmt.Sprintf("direction(%d)", uint8(d))
}

// Cipher is an encryption algorithm; AES needs a key length beside it.
type Cipher uint8

// The ciphers that the data planes know.
const (
	DESCBC Cipher = iota + 1
	TripleDESCBC
	AESCBC
)

func (c Cipher) String() string {
	switch c {
	case DESCBC:
		return "des"
	case TripleDESCBC:
		return "3des"
	case AESCBC:
		return "aes"
	}
	return fmt.Sprintf("cipher(%d)", uint8(c))
}

// BlockSize is the size of a block, and of the IV, in bytes.
func (c Cipher) BlockSize() int {
	if c == AESCBC {
		return 16
	}
	return 8
}

// KeySize is the key's size in bytes; bits counts for AES only.
func (c Cipher) KeySize(bits int) int {
	switch c {
	case DESCBC:
		return 8
	case TripleDESCBC:
		return 24
	}
	return bits / 8
}

// Hash is a hash function: the PRF and hash of a phase 1, and with truncation
// (RFC 2403, 2404, 4868) the integrity algorithm of an ESP SA.
type Hash uint8

// The hashes that IKE and the data planes know.
const (
	MD5 Hash = iota + 1
	SHA1
	SHA256
	SHA384
	SHA512
)

func (h Hash) String() string {
	switch h {
	case MD5:
		return "md5"
	case SHA1:
		return "sha1"
	case SHA256:
		return "sha256"
	case SHA384:
		return "sha384"
	case SHA512:
		return "sha512"
	}
	return fmt.Sprintf("hash(%d)", uint8(h))
}

// Size is the length of the hash, and of an integrity key, in bytes.
func (h Hash) Size() int {
	switch h {
	case MD5:
		return 16
	case SHA1:
		return 20
	case SHA256:
		return 32
	case SHA384:
		return 48
	case SHA512:
		return 64
	}
	return 0
}

// ICVSize is the length of the integrity value that ends an ESP packet, in
// bytes: 12 for MD5 and SHA1 (RFC 2403, 2404), half the hash for SHA-2
// (RFC 4868).
func (h Hash) ICVSize() int {
	if h == MD5 || h == SHA1 {
		return 12
	}
	return h.Size() / 2
}

// Suite is what protects an ESP SA.
type Suite struct {
	Cipher  Cipher
	KeyBits int // 128, 192 or 256 with AES, else 0
	Hash    Hash
}

// String is strongSwan's notation: "aes256-sha1".
func (s Suite) String() string {
	if s.Cipher == AESCBC {
		return fmt.Sprintf("%v%d-%v", s.Cipher, s.KeyBits, s.Hash)
	}
	return fmt.Sprintf("%v-%v", s.Cipher, s.Hash)
}

// EncKeySize is the length of the encryption key in bytes.
func (s Suite) EncKeySize() int { return s.Cipher.KeySize(s.KeyBits) }

// Valid reports a suite that no data plane can have.
func (s Suite) Valid() error {
	switch {
	case s.Hash < MD5 || s.Hash > SHA512:
		return fmt.Errorf("suite %v: no such integrity algorithm", s)
	case s.Cipher == AESCBC && s.KeyBits != 128 && s.KeyBits != 192 && s.KeyBits != 256:
		return fmt.Errorf("suite %v: AES keys have 128, 192 or 256 bits", s)
	case s.Cipher < DESCBC || s.Cipher > AESCBC:
		return fmt.Errorf("suite %v: no such cipher", s)
	}
	return nil
}

// Encap is UDP encapsulation (RFC 3948). The zero value is plain ESP.
type Encap struct {
	SrcPort, DstPort uint16 // ports of the outer UDP header in the SA's direction
}

// Limit ends an SA. A zero field is no limit.
type Limit struct {
	Bytes uint64        // of inner packets
	Time  time.Duration // since the SA was added
}

// SA is one direction of one ESP tunnel.
type SA struct {
	Dir         Direction
	SPI         uint32
	Src, Dst    netip.Addr // outer addresses
	Encap       Encap
	ReqID, IfID uint32 // ReqID ties the SA to its Policy
	Suite       Suite
	EncKey      Secret
	AuthKey     Secret
	Soft, Hard  Limit
}

// Selector is a pair of networks as this host sees them.
type Selector struct {
	Local, Remote netip.Prefix
}

func (s Selector) String() string { return s.Local.String() + " <-> " + s.Remote.String() }

// PolicyAction is what happens to the packets that a Policy selects.
type PolicyAction uint8

// The actions of a Policy.
const (
	Protect PolicyAction = iota + 1 // send through ESP; without an SA raise Acquire, and drop or hold until there is one
	Block                           // drop
)

// Policy protects, or blocks, one selector pair on one gateway's interface. It
// stands for all directions: out, and in and forward for what comes back.
type Policy struct {
	Sel                       Selector
	TunnelLocal, TunnelRemote netip.Addr // outer addresses, from here to there
	ReqID, IfID               uint32
	Priority                  int // the lowest number wins
	Action                    PolicyAction
}

// Link is a gateway's network device: an XFRM interface or a TUN device.
type Link struct {
	Name string // at most 15 bytes
	IfID uint32
	MTU  int
}

// Usage of one SA.
type Usage struct {
	Bytes, Packets uint64 // of inner packets
	Added          time.Time
	LastUsed       time.Time // zero: never
	ReplayErrors   uint64
	IntegrityErrs  uint64
}

// State is what a Backend holds of ours. The SAs come without their keys.
type State struct {
	SAs      []SA
	Policies []Policy
	Links    []Link
}

// Event is something that the data plane saw: one of Acquire, Expired,
// PeerMoved and Lost.
type Event interface{ event() }

// Acquire says that a packet met a Protect policy that has no SA.
type Acquire struct {
	ReqID, IfID uint32
	Packet      Selector // the packet's own addresses, each a /32 or /128
}

// Expired says that an SA reached its soft limit, or its hard limit and is gone.
type Expired struct {
	SPI   uint32
	Dst   netip.Addr
	ReqID uint32
	Hard  bool
}

// PeerMoved says that authenticated ESP in UDP came from another address or
// port than the SA's (RFC 3948 §5).
type PeerMoved struct {
	SPI   uint32
	ReqID uint32
	From  netip.AddrPort
}

// Lost says that events were lost and State must be compared again.
type Lost struct{}

func (Acquire) event()   {}
func (Expired) event()   {}
func (PeerMoved) event() {}
func (Lost) event()      {}

// Backend is a data plane: the kernel, user space, or memory in tests. Every
// call may be repeated, and is safe for concurrent use. The set it holds is a
// copy: what it is told last is what holds.
type Backend interface {
	// PutSA adds an SA, or replaces the one with the same SPI and destination.
	PutSA(ctx context.Context, sa SA) error
	// DropSA removes an SA; one that is already gone is no error.
	DropSA(ctx context.Context, spi uint32, dst netip.Addr) error
	// SetEncap changes the UDP ports of an SA that has some: a translator has
	// given the peer another one. Keys, counters, sequence numbers and the replay
	// window go on; a soft limit that was told may be told again. An SA that is
	// gone is no error.
	SetEncap(ctx context.Context, id SAID, e Encap) error
	// SetPolicies makes our policies those of want: adds before deletes, so
	// that what stays is never without its policy.
	SetPolicies(ctx context.Context, want []Policy) error
	// SetLinks makes our devices those of want, up and with their MTU.
	SetLinks(ctx context.Context, want []Link) error
	// Dump returns what is ours and nothing else.
	Dump(ctx context.Context) (State, error)
	// Usage returns the counters of our SAs by SPI and destination.
	Usage(ctx context.Context) (map[SAID]Usage, error)
	// Events delivers what the data plane saw. It is closed by Close.
	Events() <-chan Event
	// Close stops the events and lets go of the descriptors. Policies stay
	// where the data plane can outlive its process.
	Close() error
}

// SAID names an SA: its SPI and its outer destination.
type SAID struct {
	SPI uint32
	Dst netip.Addr
}

// ID is the SA's name.
func (sa SA) ID() SAID { return SAID{sa.SPI, sa.Dst} }
