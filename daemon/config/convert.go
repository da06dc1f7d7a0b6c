package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
)

// problem is what is wrong with a value: it goes after the key's name.
type problem struct{ what, do string }

// conversion makes what it can of a TOML value.
type conversion[T any] func(v any) (T, *problem)

// one reads a key that may be absent.
func one[T any](t *table, key string, convert conversion[T]) Value[T] {
	v, ok := t.get(key)
	if !ok {
		return Value[T]{}
	}
	return item(t, key, t.pos(key), v, convert)
}

// need reads a key that must be there; example is what to write.
func need[T any](t *table, key, example string, convert conversion[T]) Value[T] {
	v := one(t, key, convert)
	if _, ok := t.values[key]; !ok {
		t.missing(key, "write "+key+" = "+example)
	}
	return v
}

// many reads a value or a list of values. What is wrong is reported and left
// out.
func many[T any](t *table, key string, convert conversion[T]) []Value[T] {
	v, ok := t.get(key)
	if !ok {
		return nil
	}
	values, isList := v.([]any)
	if !isList {
		values = []any{v}
	} else if len(values) == 0 {
		t.fault(t.pos(key), t.prefix+key+" is empty", "name at least one, or take the key out")
	}
	var out []Value[T]
	for i, v := range values {
		at := t.pos(key)
		if isList {
			at.Line = t.place.key(key).item(i).at()
		}
		if value := item(t, key, at, v, convert); value.IsSet() {
			out = append(out, value)
		}
	}
	return out
}

// needMany reads a value or a list of values that must be there.
func needMany[T any](t *table, key, example string, convert conversion[T]) []Value[T] {
	v := many(t, key, convert)
	if _, ok := t.values[key]; !ok {
		t.missing(key, "write "+key+" = "+example)
	}
	return v
}

// item converts one value, or reports it and gives none.
func item[T any](t *table, key string, at Pos, v any, convert conversion[T]) Value[T] {
	out, wrong := convert(v)
	if wrong != nil {
		t.fault(at, t.prefix+key+" "+wrong.what, wrong.do)
		return Value[T]{}
	}
	return Value[T]{out, at}
}

// asText takes a text that is not empty.
func asText(v any) (string, *problem) {
	s, ok := v.(string)
	switch {
	case !ok:
		return "", &problem{"must be text, not " + kind(v), "write it between double quotes"}
	case strings.TrimSpace(s) == "":
		return "", &problem{"is empty", "write something, or take the key out"}
	}
	return s, nil
}

// asWord takes a text that is one short word: an algorithm, or a name.
func asWord(v any) (string, *problem) {
	s, wrong := asText(v)
	if wrong == nil && badName(s) != "" {
		wrong = &problem{quote(s, longest) + " is no name", "names are short and have no control characters"}
	}
	return s, wrong
}

// asName takes a fully qualified domain name, as an identity: what it must
// resolve to does not matter, it is only compared.
func asName(v any) (string, *problem) {
	s, wrong := asText(v)
	odd := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	if wrong == nil && (len(s) > 255 || strings.ContainsFunc(s, odd)) {
		wrong = &problem{quote(s, longest) + " is no domain name", "write it like vpn.example.com, without spaces"}
	}
	return s, wrong
}

// asOneOf takes one of the words, in any case, and gives it as it is here.
func asOneOf(words ...string) conversion[string] {
	return func(v any) (string, *problem) {
		s, wrong := asText(v)
		if wrong != nil {
			return "", wrong
		}
		for _, w := range words {
			if strings.EqualFold(w, strings.TrimSpace(s)) {
				return w, nil
			}
		}
		if len(words) == 1 {
			return "", &problem{quote(s, longest) + " is not supported by this version", "write " + words[0]}
		}
		return "", &problem{quote(s, longest) + " is not known", "write one of " + strings.Join(words, ", ")}
	}
}

// asInt takes a whole number.
func asInt(v any) (int64, *problem) {
	n, ok := v.(int64)
	if !ok {
		return 0, &problem{"must be a whole number, not " + kind(v), "write it without quotes and without a point"}
	}
	return n, nil
}

// asAddr takes the address of one host.
func asAddr(v any) (netip.Addr, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return netip.Addr{}, wrong
	}
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	switch {
	case err != nil:
		return a, &problem{quote(s, longest) + " is no address", `write one like "203.0.113.7" or "2001:db8::7"`}
	case a.Zone() != "":
		return a, &problem{quote(s, longest) + " has a zone", "write an address that is the same on every interface"}
	case a.Is4In6():
		return a, &problem{quote(s, longest) + " is an IPv4-mapped IPv6 address", "write " + a.Unmap().String()}
	case a.IsUnspecified() || a.IsMulticast() || a == broadcast:
		return a, &problem{a.String() + " is not the address of a host", "write the address of one host"}
	}
	return a, nil
}

// anywhere is the word for a peer whose address is not known before it comes.
const anywhere = "any"

// asWhereabouts takes the address of a host, its name in the DNS, or "any".
func asWhereabouts(v any) (Whereabouts, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return Whereabouts{}, wrong
	}
	s = strings.TrimSpace(s)
	switch {
	case strings.EqualFold(s, anywhere):
		return Whereabouts{}, nil
	case isHostName(s):
		return Whereabouts{Host: strings.ToLower(strings.TrimSuffix(s, "."))}, nil
	case strings.ContainsFunc(s, unicode.IsLetter) && !strings.Contains(s, ":"):
		return Whereabouts{}, &problem{quote(s, longest) + " is neither an address nor a domain name",
			`write an address like "203.0.113.7", a name like "vpn.example.com", or "any" for a peer that may come from anywhere`}
	}
	a, wrong := asAddr(s)
	return Whereabouts{Addr: a}, wrong
}

// asAddrPort takes an address and a port to listen on.
func asAddrPort(v any) (netip.AddrPort, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return netip.AddrPort{}, wrong
	}
	a, err := netip.ParseAddrPort(strings.TrimSpace(s))
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, &problem{quote(s, longest) + " is no address with a port", `write one like "127.0.0.1:9517" or "[::1]:9517"`}
	}
	return a, nil
}

// hostName is two labels or more (RFC 1123 §2.1), of which the last one is no
// number: that would be an address.
var hostName = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.?$`)

func isHostName(s string) bool { return len(s) <= 253 && hostName.MatchString(s) }

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// asPrefix takes a network without host bits.
func asPrefix(v any) (netip.Prefix, *problem) {
	s, wrong := asText(v)
	if wrong != nil {
		return netip.Prefix{}, wrong
	}
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.Prefix{}, &problem{a.String() + " has no prefix length",
			fmt.Sprintf("write %v/%d for this one address", a, a.BitLen())}
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, &problem{quote(s, longest) + " is no network", `write one like "10.0.1.0/24"`}
	case p.Addr().Is4In6():
		return p, &problem{quote(s, longest) + " is an IPv4-mapped IPv6 network", "write it as an IPv4 network"}
	case p != p.Masked():
		return p, &problem{p.String() + " has bits set beyond its length",
			fmt.Sprintf("write %v for the network, or %v/%d for the one address", p.Masked(), p.Addr(), p.Addr().BitLen())}
	}
	return p, nil
}
