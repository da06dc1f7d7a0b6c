package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// phase1 is what the forger proposes, and the victim is configured with.
var phase1 = ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1, Group: 14}

// patience is how long an answer that must come may take.
const patience = 3 * time.Second

var errSilence = errors.New("the victim does not answer")

// forger is the initiator of IKEv1 by hand: it has the pre-shared key, keeps the
// rules where it is not told otherwise, and lets every part be replaced.
type forger struct {
	w          *wire
	at, victim netip.AddrPort
	inbox      chan []byte
	key        xfrm.Secret
	dice       io.Reader

	cookies  ike.Cookies
	offer    []byte // SAi_b
	ni, nr   []byte
	gxi, gxr []byte
	exponent crypt.Exponent
	keys     crypt.Phase1Keys
	cbc      *crypt.CBC
	iv       []byte   // main mode's; once it is over, the base of phase 2's
	sent     [][]byte // every message, as it went
}

func newForger(w *wire, dice io.Reader, at, victim netip.AddrPort, key string) *forger {
	f := &forger{w: w, at: at, victim: victim, inbox: w.inbox(at), key: xfrm.NewSecret([]byte(key)), dice: dice}
	f.reset()
	return f
}

// reset begins anew with another cookie.
func (f *forger) reset() {
	f.cookies = ike.Cookies{Initiator: [8]byte(f.random(8))}
	f.offer = offerIKE(1).Append(nil)
	f.ni = f.random(16)
	f.sent = nil
}

// random is n bytes of the forger's chance.
func (f *forger) random(n int) []byte {
	b := make([]byte, n)
	_, _ = f.dice.Read(b) // chance never fails
	return b
}

// offerIKE is the offer of phase 1 with a number of transforms.
func offerIKE(transforms int) isakmp.SecurityAssociation {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoISAKMP}
	for i := range transforms {
		p.Transforms = append(p.Transforms, isakmp.Transform{Number: uint8(i + 1), ID: isakmp.KeyIKE, Attributes: []isakmp.Attribute{
			{Type: isakmp.AttrCipher, Value: 7}, {Type: isakmp.AttrKeyLength, Value: 128},
			{Type: isakmp.AttrHash, Value: 2}, {Type: isakmp.AttrGroup, Value: 14}, {Type: isakmp.AttrAuth, Value: isakmp.AuthPSK},
			{Type: isakmp.AttrLifeType, Value: isakmp.LifeSeconds}, {Type: isakmp.AttrLife, Value: 86400},
		}})
	}
	return isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{p}}
}

// offerESP is the offer of a quick mode.
func offerESP(spi []byte) isakmp.SecurityAssociation {
	return isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{{
		Number: 1, Protocol: isakmp.ProtoESP, SPI: spi,
		Transforms: []isakmp.Transform{{Number: 1, ID: 12, Attributes: []isakmp.Attribute{
			{Type: isakmp.ESPKeyLength, Value: 128}, {Type: isakmp.ESPAuth, Value: 2}, {Type: isakmp.ESPEncap, Value: isakmp.EncapTunnel},
			{Type: isakmp.ESPLifeType, Value: isakmp.LifeSeconds}, {Type: isakmp.ESPLife, Value: 3600},
		}}},
	}}}
}

// header is that of the forger's next message.
func (f *forger) header(x isakmp.Exchange, mid uint32) isakmp.Header {
	return isakmp.Header{Initiator: f.cookies.Initiator, Responder: f.cookies.Responder, Exchange: x, MessageID: mid}
}

// clearText is a message that is not encrypted.
func clearText(h isakmp.Header, chain ...isakmp.Payload) []byte {
	body := isakmp.AppendChain(nil, chain...)
	if len(chain) > 0 {
		h.Next = chain[0].Type
	}
	h.Length = uint32(isakmp.HeaderSize + len(body))
	return append(h.Append(nil), body...)
}

// send sends a message from where the forger is.
func (f *forger) send(data []byte) error {
	f.sent = append(f.sent, data)
	return f.w.send(f.at, f.victim, data)
}

// ask sends a message and waits for the answer that is wanted; all others are
// answers to something before.
func (f *forger) ask(data []byte, limit time.Duration, wanted func(answer []byte) bool) ([]byte, error) {
	if err := f.send(data); err != nil {
		return nil, err
	}
	over := time.After(limit)
	for {
		select {
		case answer := <-f.inbox:
			if wanted(answer) {
				return answer, nil
			}
		case <-over:
			return nil, errSilence
		}
	}
}

// The answers of main mode: each begins with another payload.
func (f *forger) isSecond(answer []byte) bool { return f.isMain(answer, isakmp.SA) }

func (f *forger) isFourth(answer []byte) bool { return f.isMain(answer, isakmp.KE) }

func (f *forger) isSixth(answer []byte) bool { return f.isMain(answer, isakmp.ID) }

func (f *forger) isMain(answer []byte, first isakmp.PayloadType) bool {
	h, err := isakmp.ParseHeader(answer)
	return err == nil && h.Exchange == isakmp.MainMode && h.Initiator == f.cookies.Initiator && h.Next == first
}

// first is message 1, key message 3, with more payloads behind the usual ones.
func (f *forger) first(more ...isakmp.Payload) []byte {
	h := f.header(isakmp.MainMode, 0)
	h.Responder = [8]byte{}
	return clearText(h, append([]isakmp.Payload{{Type: isakmp.SA, Body: f.offer}}, more...)...)
}

func (f *forger) third(more ...isakmp.Payload) []byte {
	return clearText(f.header(isakmp.MainMode, 0), append([]isakmp.Payload{
		{Type: isakmp.KE, Body: f.gxi}, {Type: isakmp.Nonce, Body: f.ni},
	}, more...)...)
}

// begin gets message 2, and makes the forger's key pair.
func (f *forger) begin() error {
	answer, err := f.ask(f.first(), patience, f.isSecond)
	if err != nil {
		return fmt.Errorf("message 2: %w", err)
	}
	f.cookies.Responder = [8]byte(answer[8:])
	if f.exponent, err = crypt.NewExponent(phase1.Group, f.dice); err != nil {
		return err
	}
	f.gxi, err = f.exponent.Public()
	return err
}

// agree gets message 4 and makes the keys.
func (f *forger) agree() error {
	answer, err := f.ask(f.third(), patience, f.isFourth)
	if err != nil {
		return fmt.Errorf("message 4: %w", err)
	}
	return f.expand(answer)
}

// expand takes message 4.
func (f *forger) expand(answer []byte) error {
	chain, _, err := isakmp.Chain(isakmp.KE, answer[isakmp.HeaderSize:])
	if err != nil {
		return err
	}
	f.gxr, _ = isakmp.Find(chain, isakmp.KE)
	f.nr, _ = isakmp.Find(chain, isakmp.Nonce)
	shared, err := f.exponent.Shared(f.gxr)
	if err != nil {
		return err
	}
	f.keys = crypt.ExpandPhase1(phase1.Hash, f.key, f.ni, f.nr, shared, f.cookies)
	f.cbc, err = crypt.NewCBC(phase1.Cipher, crypt.CipherKey(phase1.Hash, f.keys.E, phase1.Cipher.KeySize(phase1.KeyBits)))
	f.iv = crypt.Sum(phase1.Hash, f.gxi, f.gxr)[:f.cbc.BlockSize()]
	return err
}

// identity is the forger's own address.
func (f *forger) identity() []byte {
	return isakmp.Identification{Type: isakmp.IPv4Addr, Data: f.at.Addr().AsSlice()}.Append(nil)
}

// proof is HASH_I for an identity.
func (f *forger) proof(id []byte) []byte {
	return crypt.PRF(phase1.Hash, f.keys.ID, f.gxi, f.gxr, f.cookies.Initiator[:], f.cookies.Responder[:], f.offer, id)
}

// fifth is message 5 with an identity; next is the IV that follows it.
func (f *forger) fifth(id []byte, more ...isakmp.Payload) (data, next []byte) {
	return f.seal(f.iv, f.header(isakmp.MainMode, 0), append([]isakmp.Payload{
		{Type: isakmp.ID, Body: id}, {Type: isakmp.Hash, Body: f.proof(id)},
	}, more...)...)
}

// authenticate gets message 6: phase 1 stands.
func (f *forger) authenticate() error {
	data, _ := f.fifth(f.identity())
	answer, err := f.ask(data, patience, f.isSixth)
	if err != nil {
		return fmt.Errorf("message 6: %w", err)
	}
	f.iv = append([]byte(nil), answer[len(answer)-f.cbc.BlockSize():]...)
	return nil
}

// connect is main mode, all of it.
func (f *forger) connect() error {
	for _, step := range []func() error{f.begin, f.agree, f.authenticate} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// seal encrypts a chain.
func (f *forger) seal(iv []byte, h isakmp.Header, chain ...isakmp.Payload) (data, next []byte) {
	h.Next = chain[0].Type
	return f.sealBytes(iv, h, isakmp.AppendChain(nil, chain...))
}

// sealBytes encrypts whatever it is given as the payloads of a message.
func (f *forger) sealBytes(iv []byte, h isakmp.Header, plain []byte) (data, next []byte) {
	block := f.cbc.BlockSize()
	plain = append(plain, make([]byte, (block-len(plain)%block)%block)...)
	h.Flags, h.Length = h.Flags|isakmp.Encrypted, uint32(isakmp.HeaderSize+len(plain))
	data = append(h.Append(nil), plain...)
	body := data[isakmp.HeaderSize:]
	f.cbc.Encrypt(iv, body, plain)
	return data, body[max(0, len(body)-block):]
}

// newID is a message id.
func (f *forger) newID() uint32 { return binary.BigEndian.Uint32(f.random(4)) | 1 }

// authentic is the first message of an exchange after phase 1: whatever plain
// says, under a HASH payload that is right. Next is the type of plain's first
// payload.
func (f *forger) authentic(x isakmp.Exchange, mid uint32, next isakmp.PayloadType, plain []byte) []byte {
	hash := crypt.PRF(phase1.Hash, f.keys.A, binary.BigEndian.AppendUint32(nil, mid), plain)
	body := append([]byte{byte(next), 0, 0, byte(4 + len(hash))}, hash...)
	h := f.header(x, mid)
	h.Next = isakmp.Hash
	data, _ := f.sealBytes(f.iv2(mid), h, append(body, plain...))
	return data
}

// iv2 is the first IV of an exchange after phase 1.
func (f *forger) iv2(mid uint32) []byte {
	return crypt.Sum(phase1.Hash, f.iv, binary.BigEndian.AppendUint32(nil, mid))[:f.cbc.BlockSize()]
}

// informational is an authentic informational message.
func (f *forger) informational(chain ...isakmp.Payload) []byte {
	return f.authentic(isakmp.Informational, f.newID(), chain[0].Type, isakmp.AppendChain(nil, chain...))
}

// notify is an authentic notification.
func (f *forger) notify(n isakmp.Notification) []byte {
	return f.informational(isakmp.Payload{Type: isakmp.Notify, Body: n.Append(nil)})
}

// remove is an authentic deletion.
func (f *forger) remove(d isakmp.Deletion) []byte {
	return f.informational(isakmp.Payload{Type: isakmp.Delete, Body: d.Append(nil)})
}

// cookieSPI is the SPI of the ISAKMP SA.
func (f *forger) cookieSPI() []byte {
	return append(append([]byte(nil), f.cookies.Initiator[:]...), f.cookies.Responder[:]...)
}

// network is a phase 2 identity.
func network(p netip.Prefix) isakmp.Payload {
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
	if p.Bits() == 0 {
		mask = make([]byte, 4)
	}
	return isakmp.Payload{Type: isakmp.ID, Body: isakmp.Identification{
		Type: isakmp.IPv4Subnet, Data: append(p.Addr().AsSlice(), mask...),
	}.Append(nil)}
}

// quick is the first message of a quick mode, and what follows from it.
type quick struct {
	mid  uint32
	spi  []byte
	ni   []byte
	sa   []byte // the body of the offer
	more []isakmp.Payload
}

// newQuick is a quick mode for a pair of networks, the forger's own first.
func (f *forger) newQuick(own, theirs netip.Prefix) quick {
	spi := append([]byte{0x40}, f.random(3)...)
	return quick{
		mid: f.newID(), spi: spi, ni: f.random(16), sa: offerESP(spi).Append(nil),
		more: []isakmp.Payload{network(own), network(theirs)},
	}
}

func (q quick) chain() []isakmp.Payload {
	return append([]isakmp.Payload{{Type: isakmp.SA, Body: q.sa}, {Type: isakmp.Nonce, Body: q.ni}}, q.more...)
}

// propose is QM1.
func (f *forger) propose(q quick) []byte {
	return f.authentic(isakmp.QuickMode, q.mid, isakmp.SA, isakmp.AppendChain(nil, q.chain()...))
}

// accepted tells whether an answer is QM2.
func (q quick) accepted(answer []byte) bool {
	h, err := isakmp.ParseHeader(answer)
	return err == nil && h.Exchange == isakmp.QuickMode && h.MessageID == q.mid
}

// finish is QM3, once QM2 is there.
func (f *forger) finish(q quick, request, answer []byte) ([]byte, error) {
	block := f.cbc.BlockSize()
	body := answer[isakmp.HeaderSize:]
	plain := make([]byte, len(body))
	f.cbc.Decrypt(request[len(request)-block:], plain, body)
	chain, _, err := isakmp.Chain(isakmp.PayloadType(answer[16]), plain)
	if err != nil {
		return nil, err
	}
	nr, _ := isakmp.Find(chain, isakmp.Nonce)
	proof := crypt.PRF(phase1.Hash, f.keys.A, []byte{0}, binary.BigEndian.AppendUint32(nil, q.mid), q.ni, nr)
	data, _ := f.seal(body[len(body)-block:], f.header(isakmp.QuickMode, q.mid), isakmp.Payload{Type: isakmp.Hash, Body: proof})
	return data, nil
}

// child is a quick mode, all of it.
func (f *forger) child(q quick) error {
	request := f.propose(q)
	answer, err := f.ask(request, patience, q.accepted)
	if err != nil {
		return fmt.Errorf("QM2: %w", err)
	}
	data, err := f.finish(q, request, answer)
	if err != nil {
		return err
	}
	return f.send(data)
}
