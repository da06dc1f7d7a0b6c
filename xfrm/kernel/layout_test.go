package kernel

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// The structures have the sizes that gcc gives those of linux/xfrm.h on x86-64
// (Linux 6.1 headers).
func TestSizesAreThoseOfTheHeader(t *testing.T) {
	sa, policy := sampleSA(), samplePolicy()
	v4, v6 := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"xfrm_selector", sizeSelector, 56},
		{"xfrm_selector written", len(appendSelector(nil, v4, v4)), 56},
		{"xfrm_selector of IPv6 written", len(appendSelector(nil, v6, v6)), 56},
		{"xfrm_id", len(appendID(nil, 1, sa.Dst)), 24},
		{"xfrm_lifetime_cfg", sizeLifetime, 64},
		{"xfrm_lifetime_cfg written", len(appendLimits(nil, sa.Soft, sa.Hard)), 64},
		{"xfrm_lifetime_cur", sizeCurrent, 32},
		{"xfrm_usersa_info", sizeSAInfo, 224},
		{"xfrm_usersa_info written", len(appendSAInfo(nil, sa)), 224},
		{"xfrm_usersa_id", sizeSAID, 24},
		{"xfrm_usersa_id written", len(appendSAID(nil, sa.ID())), 24},
		{"xfrm_userpolicy_info", sizePolicyInfo, 168},
		{"xfrm_userpolicy_info written", len(appendRule(nil, v4, v4, policy, dirOut)), 168},
		{"xfrm_userpolicy_id", sizePolicyID, 64},
		{"xfrm_user_tmpl", sizeTmpl, 64},
		{"xfrm_user_tmpl written", len(appendTmpl(nil, sa.Src, sa.Dst, 1)), 64},
		{"xfrm_user_acquire", sizeAcquire, 280},
		{"xfrm_user_expire", sizeExpire, 232},
		{"xfrm_user_mapping", sizeMapping, 64},
		{"xfrm_replay_state_esn", sizeReplayESN, 24},
		{"xfrm_replay_state_esn, no window", len(appendReplay(nil, xfrm.Out, nil)), 24},
		{"xfrm_replay_state_esn, 1024 packets", len(appendReplay(nil, xfrm.In, nil)), 24 + 1024/8},
		{"xfrm_encap_tmpl", sizeEncap, 24},
		{"xfrm_encap_tmpl written", len(appendEncap(nil, sa.Encap)), 24},
		{"xfrm_algo", sizeAlgo, 68},
		{"xfrm_algo written", len(appendCipher(nil, xfrm.AESCBC, nil)), 68},
		{"xfrm_algo_auth", sizeAlgoAuth, 72},
		{"xfrm_algo_auth written", len(appendHash(nil, xfrm.SHA1, nil)), 72},
	} {
		if c.got != c.want {
			t.Errorf("%s has %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

// And their fields are where gcc puts them.
func TestFieldsAreWhereTheHeaderHasThem(t *testing.T) {
	sa := sampleSA()
	info := appendSAInfo(nil, sa)
	id := appendSAID(nil, sa.ID())
	tmpl := appendTmpl(nil, sa.Src, sa.Dst, 0x01020304)
	rule := appendRule(nil, netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.3.0/24"), samplePolicy(), dirForward)
	replay := appendReplay(nil, xfrm.In, nil)
	encap := appendEncap(nil, xfrm.Encap{SrcPort: 0x1194, DstPort: 0x1235})
	hash := appendHash(nil, xfrm.SHA256, make([]byte, 32))
	for _, c := range []struct {
		name string
		at   []byte
		want []byte
	}{
		{"usersa_info.id.daddr", info[56:], sa.Dst.AsSlice()},
		{"usersa_info.id.spi", info[56+16:], network.AppendUint32(nil, sa.SPI)},
		{"usersa_info.id.proto", info[56+20:], []byte{50}},
		{"usersa_info.saddr", info[80:], sa.Src.AsSlice()},
		{"usersa_info.lft.soft_byte_limit", info[96:], native.AppendUint64(nil, sa.Soft.Bytes)},
		{"usersa_info.lft.hard_byte_limit", info[104:], native.AppendUint64(nil, sa.Hard.Bytes)},
		{"usersa_info.lft.soft_packet_limit", info[112:], native.AppendUint64(nil, noLimit)},
		{"usersa_info.lft.soft_add_expires_seconds", info[128:], native.AppendUint64(nil, 3000)},
		{"usersa_info.lft.hard_add_expires_seconds", info[136:], native.AppendUint64(nil, 3600)},
		{"usersa_info.reqid", info[208:], native.AppendUint32(nil, sa.ReqID)},
		{"usersa_info.family", info[212:], native.AppendUint16(nil, unix.AF_INET)},
		{"usersa_info.mode", info[214:], []byte{1}},
		{"usersa_info.replay_window", info[215:], []byte{0}},
		{"usersa_info.flags", info[216:], []byte{32}},
		{"usersa_id.spi", id[16:], network.AppendUint32(nil, sa.SPI)},
		{"usersa_id.family", id[20:], native.AppendUint16(nil, unix.AF_INET)},
		{"usersa_id.proto", id[22:], []byte{50}},
		{"user_tmpl.family", tmpl[24:], native.AppendUint16(nil, unix.AF_INET)},
		{"user_tmpl.saddr", tmpl[28:], sa.Src.AsSlice()},
		{"user_tmpl.reqid", tmpl[44:], native.AppendUint32(nil, 0x01020304)},
		{"user_tmpl.mode", tmpl[48:], []byte{1}},
		{"user_tmpl.aalgos", tmpl[52:], []byte{255, 255, 255, 255}},
		{"selector.daddr", rule, []byte{10, 2, 3, 0}},
		{"selector.saddr", rule[16:], []byte{10, 1, 0, 0}},
		{"selector.family", rule[40:], native.AppendUint16(nil, unix.AF_INET)},
		{"selector.prefixlen_d", rule[42:], []byte{24}},
		{"selector.prefixlen_s", rule[43:], []byte{16}},
		{"userpolicy_info.lft", rule[56:], native.AppendUint64(nil, noLimit)},
		{"userpolicy_info.priority", rule[152:], native.AppendUint32(nil, 100)},
		{"userpolicy_info.dir", rule[160:], []byte{2}},
		{"userpolicy_info.action", rule[161:], []byte{0}},
		{"replay_state_esn.bmp_len", replay, native.AppendUint32(nil, 32)},
		{"replay_state_esn.replay_window", replay[20:], native.AppendUint32(nil, 1024)},
		{"encap_tmpl.encap_type", encap, native.AppendUint16(nil, 2)},
		{"encap_tmpl.encap_sport", encap[2:], []byte{0x11, 0x94}},
		{"encap_tmpl.encap_dport", encap[4:], []byte{0x12, 0x35}},
		{"algo_auth.alg_name", hash, []byte("hmac(sha256)\x00")},
		{"algo_auth.alg_key_len", hash[64:], native.AppendUint32(nil, 256)},
		{"algo_auth.alg_trunc_len", hash[68:], native.AppendUint32(nil, 128)},
	} {
		if string(c.at[:len(c.want)]) != string(c.want) {
			t.Errorf("%s is % x, want % x", c.name, c.at[:len(c.want)], c.want)
		}
	}
}
