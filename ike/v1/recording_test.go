package v1

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// hexBytes is hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(b []byte) (err error) {
	*h, err = hex.DecodeString(strings.Trim(string(b), `"`))
	return err
}

// recorded is a conversation, whichever of the two layouts it was kept in.
type recorded struct {
	name                 string
	psk                  string
	ike, esp             ike.Proposal
	ckyI, ckyR           hexBytes
	gxi, gxr, gxy        hexBytes
	ni, nr, offer        hexBytes
	main                 [6]hexBytes // the datagrams of main mode, or the three of aggressive mode
	quick                [3]hexBytes // of the first quick mode
	qmPlain              [3]hexBytes
	qmSecret             hexBytes // g^xy of PFS, empty without
	spiI, spiR           hexBytes
	keysToI, keysToR     hexBytes // cipher key, then integrity key
	initiator, responder netip.Addr
	mode                 ike.Mode
	idI, idR             hexBytes // IDii_b and IDir_b, where the recording tells
}

// layout1 is that of mm-*.json and ag-*.json.
type layout1 struct {
	Params   struct{ IKE, ESP, PSK string }
	CkyI     hexBytes `json:"cky_i"`
	CkyR     hexBytes `json:"cky_r"`
	Gxi      hexBytes `json:"g_xi"`
	Gxr      hexBytes `json:"g_xr"`
	Gxy      hexBytes `json:"g_xy"`
	Ni, Nr   hexBytes
	Offer    hexBytes                        `json:"sai_b"`
	IDi      hexBytes                        `json:"id_i"`
	IDr      hexBytes                        `json:"id_r"`
	Messages []struct{ Raw, Plain hexBytes } //
	Children []struct {
		SpiI   hexBytes `json:"spi_i"`
		SpiR   hexBytes `json:"spi_r"`
		Secret hexBytes `json:"pfs_secret"`
		EncI2R hexBytes `json:"enc_i2r"`
		IntI2R hexBytes `json:"int_i2r"`
		EncR2I hexBytes `json:"enc_r2i"`
		IntR2I hexBytes `json:"int_r2i"`
	}
}

func (l layout1) recorded(name string) recorded {
	c := l.Children[0]
	r := recorded{
		name: name, psk: l.Params.PSK, ike: parseProposal(l.Params.IKE), esp: parseProposal(l.Params.ESP),
		ckyI: l.CkyI, ckyR: l.CkyR, gxi: l.Gxi, gxr: l.Gxr, gxy: l.Gxy, ni: l.Ni, nr: l.Nr, offer: l.Offer,
		qmSecret: c.Secret, spiI: c.SpiI, spiR: c.SpiR,
		keysToI: append(c.EncR2I, c.IntR2I...), keysToR: append(c.EncI2R, c.IntI2R...),
	}
	r.mode, r.idI, r.idR = modeOf(l.Messages[0].Raw), l.IDi, l.IDr
	phase1 := 6
	if r.mode == ike.Aggressive {
		phase1 = 3
	}
	for i := range phase1 {
		r.main[i] = l.Messages[i].Raw
	}
	for i := range r.quick {
		r.quick[i], r.qmPlain[i] = l.Messages[phase1+i].Raw, l.Messages[phase1+i].Plain
	}
	return r
}

// modeOf is the mode that a first message begins.
func modeOf(data []byte) ike.Mode {
	if exchange(data) == isakmp.AggressiveMode {
		return ike.Aggressive
	}
	return ike.Main
}

// layout2 is that of main-*.json and aggr-*.json.
type layout2 struct {
	Case        string
	PSK         string
	ToResponder []hexBytes `json:"to_responder"`
	ToInitiator []hexBytes `json:"to_initiator"`
	CkyI        hexBytes   `json:"cky_i"`
	CkyR        hexBytes   `json:"cky_r"`
	KEi         hexBytes   `json:"ke_i"`
	KEr         hexBytes   `json:"ke_r"`
	Gxy         hexBytes   `json:"g_xy"`
	Ni, Nr      hexBytes
	Offer       hexBytes   `json:"sai_b"`
	IDi         hexBytes   `json:"idii_b"`
	IDr         hexBytes   `json:"idir_b"`
	QMPlain     []hexBytes `json:"qm_plain"`
	QMSecret    hexBytes   `json:"qm_gxy"`
	SpiI        hexBytes   `json:"spi_i"`
	SpiR        hexBytes   `json:"spi_r"`
	FromI       hexBytes   `json:"keymat_initiator"` // what the initiator seals with
	FromR       hexBytes   `json:"keymat_responder"`
}

func (l layout2) recorded() recorded {
	_, words, _ := strings.Cut(l.Case, "-") // what else it says is no algorithm
	r := recorded{
		name: l.Case, psk: l.PSK, ike: parseProposal(words), esp: parseProposal(words),
		ckyI: l.CkyI, ckyR: l.CkyR, gxi: l.KEi, gxr: l.KEr, gxy: l.Gxy, ni: l.Ni, nr: l.Nr, offer: l.Offer,
		qmSecret: l.QMSecret, spiI: l.SpiI, spiR: l.SpiR, keysToI: l.FromR, keysToR: l.FromI,
	}
	if len(l.QMSecret) == 0 {
		r.esp.Group = 0
	}
	r.mode, r.idI, r.idR = modeOf(l.ToResponder[0]), l.IDi, l.IDr
	asked, answered := 3, 3 // messages of phase 1
	if r.mode == ike.Aggressive {
		asked, answered = 2, 1
	}
	for i := range asked {
		r.main[2*i] = unmarked(l.ToResponder[i])
	}
	for i := range answered {
		r.main[2*i+1] = unmarked(l.ToInitiator[i])
	}
	copy(r.qmPlain[:], l.QMPlain)
	r.quick = [3]hexBytes{unmarked(l.ToResponder[asked]), unmarked(l.ToInitiator[answered]), unmarked(l.ToResponder[asked+1])}
	return r
}

// unmarked is a datagram without the non-ESP marker.
func unmarked(b []byte) hexBytes { return bytes.TrimPrefix(b, make([]byte, 4)) }

// parseProposal reads strongSwan's notation.
func parseProposal(text string) ike.Proposal {
	var p ike.Proposal
	for _, word := range strings.Split(text, "-") {
		switch word {
		case "des":
			p.Cipher = xfrm.DESCBC
		case "3des":
			p.Cipher = xfrm.TripleDESCBC
		case "aes128":
			p.Cipher, p.KeyBits = xfrm.AESCBC, 128
		case "aes256":
			p.Cipher, p.KeyBits = xfrm.AESCBC, 256
		case "md5":
			p.Hash = xfrm.MD5
		case "sha1":
			p.Hash = xfrm.SHA1
		case "sha256":
			p.Hash = xfrm.SHA256
		case "modp768":
			p.Group = 1
		case "modp1024":
			p.Group = 2
		case "modp1536":
			p.Group = 5
		case "modp2048":
			p.Group = 14
		case "modp2048s256":
			p.Group = 24
		}
	}
	return p
}

// conversations are those of a mode.
func conversations(t *testing.T, mode ike.Mode) []recorded {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != 7 {
		t.Fatalf("%d recorded conversations, %v", len(files), err)
	}
	var list []recorded
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		if name := filepath.Base(file); strings.HasPrefix(name, "mm-") || strings.HasPrefix(name, "ag-") {
			var l layout1
			err = json.Unmarshal(b, &l)
			r = l.recorded(filepath.Base(file))
		} else {
			var l layout2
			err = json.Unmarshal(b, &l)
			r = l.recorded()
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		r.initiator, r.responder = netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
		if r.mode == mode {
			list = append(list, r)
		}
	}
	return list
}

// identities are those of the initiator and the responder.
func (r recorded) identities(t *testing.T) (i, o ike.ID) {
	if r.mode == ike.Main {
		return ike.AddressID(r.initiator), ike.AddressID(r.responder)
	}
	i, err := readIdentity(r.idI)
	if err != nil {
		t.Fatal(err)
	}
	o, err = readIdentity(r.idR)
	if err != nil {
		t.Fatal(err)
	}
	return i, o
}

// peer is the configuration that the recorded end had.
func (r recorded) peer(local, remote netip.Addr, sel xfrm.Selector) ike.Peer {
	return ike.Peer{
		Name: "recorded", Local: local, Remote: remote, LocalID: ike.AddressID(local), RemoteID: ike.AddressID(remote),
		Keys: []xfrm.Secret{xfrm.NewSecret([]byte(r.psk))}, Mode: r.mode, Proposals: []ike.Proposal{r.ike},
		Lifetime: ike.Lifetime{Time: 48 * time.Hour}, IfID: xfrm.Ours | 1,
		Children: []ike.Child{{Sel: sel, ReqID: 1, Proposals: []ike.Proposal{r.esp}, Lifetime: ike.Lifetime{Time: 48 * time.Hour}}},
	}
}

// pfs reads a recorded quick mode message's public value.
func (r recorded) pfs(i int) []byte {
	chain, _, _ := isakmp.Chain(isakmp.Hash, r.qmPlain[i])
	ke, _ := isakmp.Find(chain, isakmp.KE)
	return ke
}

func (r recorded) quickNonce(i int) []byte {
	chain, _, _ := isakmp.Chain(isakmp.Hash, r.qmPlain[i])
	nonce, _ := isakmp.Find(chain, isakmp.Nonce)
	return nonce
}

// networks are the recorded quick mode's, as the initiator sees them.
func (r recorded) networks(t *testing.T) xfrm.Selector {
	chain, _, _ := isakmp.Chain(isakmp.Hash, r.qmPlain[0])
	ids := isakmp.All(chain, isakmp.ID)
	local, err := readNetwork(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	remote, err := readNetwork(ids[1])
	if err != nil {
		t.Fatal(err)
	}
	return xfrm.Selector{Local: local, Remote: remote}
}
