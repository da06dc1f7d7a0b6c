package config

import "strings"

// longest is the most runes that a name may have, and that Nearest looks at.
const longest = 60

// Nearest returns the known word that is most like word, and whether it is
// near enough to be what was meant: one edit for three letters, case apart.
func Nearest(word string, known []string) (string, bool) {
	w := []rune(strings.ToLower(word))
	if len(w) > longest {
		return "", false
	}
	best, distance := "", min(3, len(w)/3)+1
	for _, k := range known {
		r := []rune(strings.ToLower(k))
		if len(r) > longest || len(r)-len(w) >= distance || len(w)-len(r) >= distance {
			continue
		}
		if d := edits(w, r); d < distance {
			best, distance = k, d
		}
	}
	return best, best != ""
}

// edits is how many runes must be put in, left out, replaced or swapped with
// their neighbour to make a into b (the optimal string alignment distance).
func edits(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func differ(a, b rune) int {
	if a == b {
		return 0
	}
	return 1
}
