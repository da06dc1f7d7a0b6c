package interop

import (
	"strconv"
	"strings"
)

// withoutGroup is a proposal's cipher and hash: "aes256-sha1".
func withoutGroup(proposal string) string {
	words := strings.Split(proposal, "-")
	return words[0] + "-" + words[1]
}

// groupOf is a proposal's group in the words of the configuration, "disable"
// when it has none.
func groupOf(proposal string) string {
	if words := strings.Split(proposal, "-"); len(words) == 3 {
		return strings.ToUpper(words[2])
	}
	return "disable"
}

// cipherOf is a proposal's cipher in the words of the configuration.
func cipherOf(proposal string) string {
	switch cipher := strings.Split(proposal, "-")[0]; cipher {
	case "des":
		return "DES-CBC"
	case "3des":
		return "3DES-CBC"
	default:
		return "AES-CBC-" + strings.TrimPrefix(cipher, "aes")
	}
}

// hashOf is a proposal's hash in the words of the configuration.
func hashOf(proposal string) string {
	hash := strings.Split(proposal, "-")[1]
	if bits, ok := strings.CutPrefix(hash, "sha"); ok && bits != "1" {
		return "SHA-" + bits
	}
	return strings.ToUpper(hash)
}

// quoted is a TOML string.
func quoted(s string) string { return strconv.Quote(s) }
