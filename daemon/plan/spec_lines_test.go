package plan_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// specLine is a sentence, or a row of a table below the table's header.
type specLine struct {
	section  string // the heading above it
	text     string // of a sentence
	head, of []string
}

// key finds the case of a line. Rows of figures have one in common, and so have
// the policies of the correct instance.
func (l specLine) key() string {
	switch {
	case strings.HasPrefix(l.text, "SPD policy "):
		return "SPD policy"
	case l.of == nil:
		return l.text
	case len(l.head) > 2:
		return l.head[0]
	}
	return l.section + ": " + l.of[0]
}

// ticked are the words between backquotes, without blanks.
func (l specLine) ticked() []string {
	var words []string
	for i, part := range strings.Split(l.text, "`") {
		if i%2 == 1 {
			words = append(words, strings.ReplaceAll(part, " ", ""))
		}
	}
	return words
}

// numbers are the numbers of a row's cells, or of a sentence.
func (l specLine) numbers() []int64 {
	var list []int64
	for _, word := range regexp.MustCompile(`\d+`).FindAllString(l.text+strings.Join(l.of, " "), -1) {
		n, _ := strconv.ParseInt(word, 10, 64)
		list = append(list, n)
	}
	return list
}

// supported are the words of a cell "... support A, B and C", or its only word,
// which may have blanks.
func (l specLine) supported() []string {
	_, list, several := strings.Cut(strings.ToLower(l.of[1]), "support ")
	if !several {
		return []string{strings.ReplaceAll(l.of[1], " ", "")}
	}
	return strings.Split(strings.ReplaceAll(list, " and ", ", "), ", ")
}

// specLines reads the lines below the rule of a file of testdata/spec.
func specLines(t *testing.T, file string) []specLine {
	t.Helper()
	data, err := os.ReadFile("testdata/spec/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(data), "\n---\n")
	var lines []specLine
	var section string
	var head []string
	for text := range strings.Lines(body) {
		text = strings.TrimSpace(text)
		switch cells := cellsOf(text); {
		case text == "":
			head = nil
		case strings.HasPrefix(text, "# "):
			section = text[2:]
		case cells == nil:
			lines = append(lines, specLine{section: section, text: text})
		case head == nil:
			head = cells
		case !strings.HasPrefix(cells[0], "--"):
			lines = append(lines, specLine{section: section, head: head, of: cells})
		}
	}
	return lines
}

func cellsOf(text string) []string {
	if !strings.HasPrefix(text, "|") {
		return nil
	}
	cells := strings.Split(strings.Trim(text, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}
