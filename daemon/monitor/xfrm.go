package monitor

import (
	"os"
	"strconv"
	"strings"
	"unicode"
)

// XFRMErrors are the packets that the kernel's IPsec dropped in this network
// namespace, by reason: "in_no_states". A kernel that does not count them
// (CONFIG_XFRM_STATISTICS) has none.
func XFRMErrors() map[string]uint64 {
	data, err := os.ReadFile("/proc/net/xfrm_stat")
	if err != nil {
		return nil
	}
	return xfrmErrors(string(data))
}

// xfrmErrors reads lines such as "XfrmInNoStates  3".
func xfrmErrors(text string) map[string]uint64 {
	all := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
		if name, ours := strings.CutPrefix(name, "Xfrm"); ours && err == nil {
			all[snake(name)] = n
		}
	}
	return all
}

// snake is "in_no_states" of "InNoStates".
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
