package kernel

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

func TestSAComesBackAsItWasWritten(t *testing.T) {
	out := sampleSA()
	out.Dir, out.Encap, out.Soft, out.Hard = xfrm.Out, xfrm.Encap{}, xfrm.Limit{}, xfrm.Limit{}
	three := sampleSA6()
	three.Suite = xfrm.Suite{Cipher: xfrm.TripleDESCBC, Hash: xfrm.MD5}
	three.EncKey, three.AuthKey = key(1, 24), key(2, 16)
	for _, sa := range []xfrm.SA{sampleSA(), sampleSA6(), out, three} {
		h, whole := decodeSA(appendSA(nil, sa, history{}))
		if !whole || !reflect.DeepEqual(h.SA, bare(sa)) {
			t.Errorf("whole %v\n got %+v\nwant %+v", whole, h.SA, bare(sa))
		}
		if !bytes.Equal(h.encKey, sa.EncKey.Open()) || !bytes.Equal(h.authKey, sa.AuthKey.Open()) {
			t.Errorf("%v: the keys did not come back", sa.Suite)
		}
		if !h.ours() || !h.updatable(sa) {
			t.Errorf("%v: ours %v, updatable by itself %v", sa.Suite, h.ours(), h.updatable(sa))
		}
	}
}

// An algorithm that we never use must not be taken for one that we do.
func TestForeignAlgorithmsAreNotOurs(t *testing.T) {
	sa := sampleSA()
	whole := appendSA(nil, sa, history{})
	for _, c := range []struct{ old, fresh string }{
		{"cbc(aes)\x00", "ctr(aes)\x00"},
		{"hmac(sha256)\x00", "hmac(sm3)\x00\x00\x00\x00"},
		{"\x00\x01\x00\x00\x80\x00\x00\x00", "\x00\x01\x00\x00\x60\x00\x00\x00"}, // 256 key bits, cut to 96 and not 128
	} {
		b := bytes.Replace(whole, []byte(c.old), []byte(c.fresh), 1)
		if bytes.Equal(b, whole) {
			t.Fatalf("%q is not in the message", c.old)
		}
		if h, _ := decodeSA(b); h.Suite == sa.Suite || h.sameKeys(sa) {
			t.Errorf("%q was read as %v", c.fresh, h.Suite)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		in, want xfrm.Limit
	}{
		{xfrm.Limit{}, xfrm.Limit{}},
		{xfrm.Limit{Bytes: 5, Time: time.Millisecond}, xfrm.Limit{Bytes: 5, Time: time.Second}},
		{xfrm.Limit{Time: 90 * time.Second}, xfrm.Limit{Time: 90 * time.Second}},
	} {
		r := reader{b: appendLimits(nil, c.in, c.in)}
		soft, hard := r.limits()
		if soft != c.want || hard != c.want || !r.ok() || len(r.b) != 0 {
			t.Errorf("%+v became %+v and %+v, %d bytes left", c.in, soft, hard, len(r.b))
		}
	}
	r := reader{b: bytes.Repeat([]byte{0xff}, sizeLifetime)}
	if soft, _ := r.limits(); soft.Time <= 0 {
		t.Errorf("the longest time became %v", soft.Time)
	}
}

func TestPolicyComesBackAsItWasWritten(t *testing.T) {
	six := samplePolicy()
	six.Sel = xfrm.Selector{Local: netip.MustParsePrefix("2001:db8::/32"), Remote: netip.MustParsePrefix("::/0")}
	sixOutside := samplePolicy()
	sixOutside.TunnelLocal, sixOutside.TunnelRemote = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	block := samplePolicy()
	block.Action, block.Priority = xfrm.Block, 1<<32-1
	block.TunnelLocal, block.TunnelRemote, block.ReqID = netip.Addr{}, netip.Addr{}, 0
	for _, p := range []xfrm.Policy{samplePolicy(), six, sixOutside, block} {
		held := map[ruleKey]rule{}
		var out rule
		for _, r := range rules(p) {
			got, whole := decodeRule(r.appendUpdate(nil))
			if !whole || got != r {
				t.Fatalf("rule %v became %v", &r, &got)
			}
			held[got.key()] = got
			if got.info[atDir] == dirOut {
				out = got
			}
		}
		if len(held) != 3 {
			t.Errorf("%v makes %d rules", p.Sel, len(held))
		}
		if got, ok := out.policy(); !ok || got != p || !complete(got, held) {
			t.Errorf("got %+v, %v\nwant %+v", got, ok, p)
		}
	}
}

// What lies in our range of if_ids but is none of our making is no Policy.
func TestOddRulesAreNoPolicies(t *testing.T) {
	three := rules(samplePolicy())
	good := three[0]
	for name, spoil := range map[string]func(r *rule){
		"inbound":             func(r *rule) { r.info[atDir] = dirIn },
		"one port":            func(r *rule) { r.info[32] = 1 },
		"one protocol":        func(r *rule) { r.info[44] = 17 },
		"one interface":       func(r *rule) { r.info[48] = 1 },
		"unknown family":      func(r *rule) { r.info[40] = 77 },
		"impossible prefix":   func(r *rule) { r.info[43] = 33 },
		"passes in clear":     func(r *rule) { r.tmpl = [sizeTmpl]byte{} },
		"two templates":       func(r *rule) { r.odd = true },
		"other template mode": func(r *rule) { r.tmpl[48] = 0 },
		"with a lifetime":     func(r *rule) { r.info[sizeSelector] = 1 },
	} {
		r := good
		spoil(&r)
		p, ok := r.policy()
		held := map[ruleKey]rule{three[1].key(): three[1], three[2].key(): three[2], r.key(): r}
		if ok && complete(p, held) {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
	two := append([]byte(nil), good.info[:]...)
	two = attr(two, attrTmpl, func(b []byte) []byte { return append(append(b, good.tmpl[:]...), good.tmpl[:]...) })
	if r, whole := decodeRule(two); !whole || !r.odd {
		t.Errorf("two templates: whole %v, odd %v", whole, r.odd)
	}
}

// acquire is an XFRM_MSG_ACQUIRE as the kernel sends it for one packet.
func acquire(ifID uint32) []byte {
	p := samplePolicy()
	b := appendID(nil, 0, p.TunnelRemote)
	b = appendAddr(b, p.TunnelLocal)
	b = appendSelector(b, netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("10.2.3.4/32"))
	b = appendRule(b, p.Sel.Local, p.Sel.Remote, p, dirOut)
	b = appendZeros(b, 16)
	b = attr(b, attrTmpl, func(b []byte) []byte { return appendTmpl(b, p.TunnelLocal, p.TunnelRemote, p.ReqID) })
	return attrUint32(b, attrIfID, ifID)
}

func expire(sa xfrm.SA, hard byte) []byte {
	b := appendSAInfo(nil, sa)
	b = append(b, hard, 0, 0, 0, 0, 0, 0, 0)
	return attrUint32(b, attrIfID, sa.IfID)
}

func mappingNotice(sa xfrm.SA, from netip.AddrPort) []byte {
	b := appendSAID(nil, sa.ID())
	b = native.AppendUint32(b, sa.ReqID)
	b = appendAddr(b, sa.Src)
	b = appendAddr(b, from.Addr())
	b = network.AppendUint16(b, sa.Encap.SrcPort)
	return network.AppendUint16(b, from.Port())
}

func TestEvents(t *testing.T) {
	sa, six := sampleSA(), sampleSA6()
	foreign, larval := sa, sa
	foreign.IfID = 7
	larval.SPI = 0
	from, from6 := netip.MustParseAddrPort("198.51.100.9:12345"), netip.MustParseAddrPort("[2001:db8::9]:12345")
	host := xfrm.Selector{Local: netip.MustParsePrefix("10.1.2.3/32"), Remote: netip.MustParsePrefix("10.2.3.4/32")}
	for _, c := range []struct {
		name string
		kind uint16
		body []byte
		want xfrm.Event
	}{
		{"acquire", msgAcquire, acquire(gateway), xfrm.Acquire{ReqID: 4711, IfID: gateway, Packet: host}},
		{"acquire of another program", msgAcquire, acquire(7), nil},
		{"acquire with the probe's if_id", msgAcquire, acquire(xfrm.Ours), nil},
		{"acquire cut short", msgAcquire, acquire(gateway)[:sizeAcquire-1], nil},
		{"soft limit", msgExpire, expire(sa, 0), xfrm.Expired{SPI: sa.SPI, Dst: sa.Dst, ReqID: 4711}},
		{"hard limit of IPv6", msgExpire, expire(six, 1), xfrm.Expired{SPI: six.SPI, Dst: six.Dst, ReqID: 4711, Hard: true}},
		{"limit of another program", msgExpire, expire(foreign, 1), nil},
		{"end of a larval SA", msgExpire, expire(larval, 1), nil},
		{"limit cut short", msgExpire, expire(sa, 1)[:sizeExpire-1], nil},
		{"mapping", msgMapping, mappingNotice(sa, from),
			mapping{xfrm.PeerMoved{SPI: sa.SPI, ReqID: 4711, From: from}, sa.ID()}},
		{"mapping of IPv6", msgMapping, mappingNotice(six, from6),
			mapping{xfrm.PeerMoved{SPI: six.SPI, ReqID: 4711, From: from6}, six.ID()}},
		{"mapping cut short", msgMapping, mappingNotice(sa, from)[:sizeMapping-1], nil},
		{"another message", msgNewSA, appendSA(nil, sa, history{}), nil},
	} {
		e, ok := decodeEvent(message{kind: c.kind, body: c.body})
		if ok != (c.want != nil) || ok && e != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, e, ok, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	reason := attr(nil, unix.NLMSGERR_ATTR_MSG, func(b []byte) []byte { return append(b, "not today\x00"...) })
	code := func(errno int32) []byte { return native.AppendUint32(nil, uint32(-errno)) }
	header := appendZeros(native.AppendUint32(nil, 100), 12) // of a request of 100 bytes
	with := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, c := range []struct {
		name  string
		flags uint16
		body  []byte
		want  string
	}{
		{"done", 0, with(code(0), header), ""},
		{"refused", unix.NLM_F_CAPPED, with(code(17), header), "file exists"},
		{"refused with a reason", unix.NLM_F_CAPPED | unix.NLM_F_ACK_TLVS, with(code(22), header, reason), "invalid argument: not today"},
		{"with the request between", unix.NLM_F_ACK_TLVS, with(code(22), header, make([]byte, 84), reason), "invalid argument: not today"},
		{"with a request that is not there", unix.NLM_F_ACK_TLVS, with(code(22), header), "invalid argument"},
		{"cut short", 0, code(22), "netlink answer that is cut short"},
	} {
		got := ""
		err := answer(message{flags: c.flags, body: c.body})
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	err := answer(message{body: with(code(int32(unix.EEXIST)), header)})
	if !errors.Is(err, unix.EEXIST) {
		t.Errorf("%v does not unwrap to its errno", err)
	}
}

func TestWhatASuccessorBecomes(t *testing.T) {
	old := sampleSA()
	for _, c := range []struct {
		name   string
		change func(sa *xfrm.SA)
		want   []uint16
		keeps  bool // the counters
	}{
		{"nothing", func(*xfrm.SA) {}, []uint16{msgUpdSA}, true},
		{"limits", func(sa *xfrm.SA) { sa.Hard.Bytes++ }, []uint16{msgUpdSA}, true},
		{"port", func(sa *xfrm.SA) { sa.Encap.SrcPort++ }, []uint16{msgUpdSA}, true},
		{"peer's address", func(sa *xfrm.SA) { sa.Src = sa.Src.Next() }, []uint16{msgDelSA, msgNewSA}, true},
		{"encapsulation ends", func(sa *xfrm.SA) { sa.Encap = xfrm.Encap{} }, []uint16{msgDelSA, msgNewSA}, true},
		{"reqid", func(sa *xfrm.SA) { sa.ReqID++ }, []uint16{msgDelSA, msgNewSA}, true},
		{"interface", func(sa *xfrm.SA) { sa.IfID++ }, []uint16{msgDelSA, msgNewSA}, true},
		{"encryption key", func(sa *xfrm.SA) { sa.EncKey = key(9, 32) }, []uint16{msgDelSA, msgNewSA}, false},
		{"integrity key", func(sa *xfrm.SA) { sa.AuthKey = key(9, 32) }, []uint16{msgDelSA, msgNewSA}, false},
		{"direction", func(sa *xfrm.SA) { sa.Dir = xfrm.Out }, []uint16{msgDelSA, msgNewSA}, false},
	} {
		body := appendSA(nil, old, history{current: bytes.Repeat([]byte{7}, sizeCurrent)})
		native.PutUint64(body[sizeSelector+24+16+sizeLifetime:], 12345) // bytes counted
		h, _ := decodeSA(body)
		sa := old
		c.change(&sa)
		var kinds []uint16
		var last heldSA
		for _, r := range h.becomes(sa, history{}) {
			kinds = append(kinds, r.kind)
			last, _ = decodeSA(r.write(nil))
		}
		kept := kinds[0] == msgUpdSA || countedIn(t, h.becomes(sa, history{})[1].write(nil)) == 12345
		if !reflect.DeepEqual(kinds, c.want) || kept != c.keeps || !reflect.DeepEqual(last.SA, bare(sa)) {
			t.Errorf("%s: requests %#x, want %#x; counters kept %v, want %v", c.name, kinds, c.want, kept, c.keeps)
		}
	}
}

// countedIn is the byte count that an SA's LTIME attribute begins with.
func countedIn(t *testing.T, body []byte) (n uint64) {
	t.Helper()
	eachAttr(body[sizeSAInfo:], func(kind uint16, body []byte) {
		if kind == attrLtime {
			n = native.Uint64(body)
		}
	})
	return n
}

// Keys that the kernel hides read as zeros: the counters are then carried over.
func TestHiddenKeys(t *testing.T) {
	sa := sampleSA()
	shown := sa
	shown.EncKey, shown.AuthKey = key(0, 32), key(0, 32)
	h, _ := decodeSA(appendSA(nil, shown, history{}))
	if got := h.becomes(sa, history{}); len(got) != 2 || !h.hidden() {
		t.Fatalf("hidden %v, %d requests", h.hidden(), len(got))
	}
}

func TestSequenceNumbersStepAhead(t *testing.T) {
	at := func(n uint32) history {
		return history{replay: native.AppendUint32(native.AppendUint32(nil, 0), n)[:8:8]}
	}
	for _, c := range []struct {
		dir        xfrm.Direction
		sent, want uint32
	}{
		{xfrm.Out, 5, 5 + overtaken}, {xfrm.Out, 1<<32 - 9, 1<<32 - 1}, {xfrm.In, 5, 5},
	} {
		h := at(c.sent)
		h.replay = appendZeros(h.replay, sizeReplayESN-8)
		before := bytes.Clone(h.replay)
		if got := native.Uint32(h.moved(c.dir).replay[4:]); got != c.want {
			t.Errorf("%v after %d goes on at %d, want %d", c.dir, c.sent, got, c.want)
		}
		if !bytes.Equal(h.replay, before) {
			t.Error("the history that was read has changed")
		}
	}
}

// A message that claims more, or less, than there is ends the reading.
func TestLyingLengths(t *testing.T) {
	whole := appendMessage(nil, msgNewSA, 0, 1, func(b []byte) []byte { return append(b, 1, 2, 3) })
	for _, size := range []uint32{0, 15, uint32(len(whole)) + 1, 1<<32 - 1} {
		b := bytes.Clone(whole)
		native.PutUint32(b, size)
		if err := eachMessage(b, func(message) error { t.Error("read"); return nil }); err == nil {
			t.Errorf("a message of %d bytes in %d was taken", size, len(b))
		}
	}
	n := 0
	must(t, eachMessage(append(whole, whole...), func(m message) error {
		n += len(m.body)
		return nil
	}))
	if n != 6 {
		t.Errorf("two bodies of 3 bytes were %d bytes", n)
	}
	for _, b := range [][]byte{{3, 0, 1, 0}, {9, 0, 1, 0}, {4, 0, 1, 0, 9}} {
		if eachAttr(b, func(uint16, []byte) {}) {
			t.Errorf("attributes % x are whole", b)
		}
	}
}
