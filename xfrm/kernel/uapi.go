package kernel

// The kernel's numbers and sizes, from linux/xfrm.h and linux/netlink.h. The
// structures are those of 64-bit machines: on 32-bit x86 they are laid out
// otherwise, and Twinspan does not run there. layout_test.go holds them against
// what a C compiler makes of the header.

// Messages (XFRM_MSG_*).
const (
	msgNewSA     = 0x10
	msgDelSA     = 0x11
	msgGetSA     = 0x12
	msgNewPolicy = 0x13
	msgDelPolicy = 0x14
	msgGetPolicy = 0x15
	msgAcquire   = 0x17
	msgExpire    = 0x18
	msgUpdPolicy = 0x19
	msgUpdSA     = 0x1a
	msgMapping   = 0x26
)

// Multicast groups (XFRMNLGRP_*).
const (
	groupAcquire = 1
	groupExpire  = 2
	groupMapping = 8
)

// Attributes (XFRMA_*).
const (
	attrAlgCrypt     = 2
	attrEncap        = 4
	attrTmpl         = 5
	attrLtime        = 9
	attrLastUsed     = 15
	attrPolicyType   = 16
	attrAlgAuthTrunc = 20
	attrReplayESN    = 23
	attrProto        = 25
	attrIfID         = 31
	attrMtimerThresh = 32
)

// Sizes of structures in bytes.
const (
	sizeSelector   = 56  // xfrm_selector
	sizeLifetime   = 64  // xfrm_lifetime_cfg
	sizeCurrent    = 32  // xfrm_lifetime_cur
	sizeSAInfo     = 224 // xfrm_usersa_info
	sizeSAID       = 24  // xfrm_usersa_id
	sizePolicyInfo = 168 // xfrm_userpolicy_info
	sizePolicyID   = 64  // xfrm_userpolicy_id
	sizeTmpl       = 64  // xfrm_user_tmpl
	sizeAcquire    = 280 // xfrm_user_acquire
	sizeExpire     = 232 // xfrm_user_expire
	sizeMapping    = 64  // xfrm_user_mapping
	sizeReplayESN  = 24  // xfrm_replay_state_esn without its bitmap
	sizeEncap      = 24  // xfrm_encap_tmpl
	sizeAlgo       = 68  // xfrm_algo without its key
	sizeAlgoAuth   = 72  // xfrm_algo_auth without its key
	sizeAlgoName   = 64  // the name that both begin with
)

// Values in these structures.
const (
	modeTunnel     = 1  // XFRM_MODE_TUNNEL
	flagAnyFamily  = 32 // XFRM_STATE_AF_UNSPEC: inner packets of either family
	encapESPinUDP  = 2  // UDP_ENCAP_ESPINUDP
	actionAllow    = 0  // XFRM_POLICY_ALLOW
	actionBlock    = 1  // XFRM_POLICY_BLOCK
	dirIn          = 0  // XFRM_POLICY_IN
	dirOut         = 1  // XFRM_POLICY_OUT
	dirForward     = 2  // XFRM_POLICY_FWD
	policyTypeMain = 0  // XFRM_POLICY_TYPE_MAIN
	noLimit        = ^uint64(0)
	anyAlgorithm   = ^uint32(0)
)
