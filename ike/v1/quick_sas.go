package v1

import (
	"encoding/binary"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// spiBytes is an SPI on the wire.
func spiBytes(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

// validSPI reads the SPI that a peer chose for its inbound SA: four bytes and
// none of the reserved numbers (RFC 4303 §2.1).
func validSPI(b []byte) (uint32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	spi := binary.BigEndian.Uint32(b)
	return spi, spi >= xfrm.MinSPI
}

// sas makes the pair of SAs of a quick mode whose secrets are known. A key that
// makes its cipher weak fails the quick mode: the next one has other keys.
func (s *Session) sas(q *quick) (in, out xfrm.SA, ok bool) {
	suite := q.choice.proposal.Suite()
	life := q.child.Lifetime.Min(q.choice.life)
	in = xfrm.SA{
		Dir: xfrm.In, SPI: q.spiIn, Src: s.remote.Addr(), Dst: s.local.Addr(),
		ReqID: q.child.ReqID, IfID: s.peer.IfID, Suite: suite,
	}
	out = in
	out.Dir, out.SPI, out.Src, out.Dst = xfrm.Out, q.spiOut, in.Dst, in.Src
	if s.floated() {
		in.Encap = xfrm.Encap{SrcPort: s.remote.Port(), DstPort: s.local.Port()}
		out.Encap = xfrm.Encap{SrcPort: s.local.Port(), DstPort: s.remote.Port()}
	}
	for _, sa := range []*xfrm.SA{&in, &out} {
		sa.EncKey, sa.AuthKey = s.childKeys(q, suite, sa.SPI)
		sa.Soft, sa.Hard = s.limits(life, suite.Cipher)
		if err := crypt.CheckKey(suite.Cipher, sa.EncKey.Open()); err != nil {
			s.failQuick(q, &ike.Fault{Cause: ike.CauseDataPlane, Text: err.Error()})
			return in, out, false
		}
	}
	return in, out, true
}

// childKeys expands the keys of the SA with an SPI: first the cipher's, then
// the integrity algorithm's (RFC 2409 §5.5).
func (s *Session) childKeys(q *quick, suite xfrm.Suite, spi uint32) (enc, auth xfrm.Secret) {
	n := suite.EncKeySize()
	mat := crypt.KeyMat(s.secrets.hash, s.secrets.keys.D, q.shared, byte(isakmp.ProtoESP), spi, q.ni, q.nr, n+suite.Hash.Size())
	defer clear(mat)
	return xfrm.NewSecret(mat[:n]), xfrm.NewSecret(mat[n:])
}

// smallBlockLimit caps what a cipher with 64-bit blocks may protect under one
// key, in bytes: beyond, blocks repeat (Sweet32).
const smallBlockLimit = 4 << 30

// limits makes an SA's limits of a lifetime. The soft one, at a random 80 to 90
// per cent of the bytes, asks for a replacement in time; by time that is the
// tunnel's to know.
func (s *Session) limits(l ike.Lifetime, c xfrm.Cipher) (soft, hard xfrm.Limit) {
	hard = xfrm.Limit{Time: l.Time, Bytes: min(l.KB, 1<<50) * 1024}
	if c.BlockSize() == 8 && (hard.Bytes == 0 || hard.Bytes > smallBlockLimit) {
		hard.Bytes = smallBlockLimit
	}
	share := 800 + uint64(s.random(make([]byte, 1))[0])*100/255
	return xfrm.Limit{Bytes: hard.Bytes / 1000 * share}, hard
}
