package layers

import (
	"strings"
	"testing"
)

// machinePaths are places of one machine that no file may name: they would be
// wrong on any other. They are put together here so that this file does not
// name them either.
var machinePaths = []string{
	".." + "/shared",
	"/wor" + "k/",
	"/tmp/" + "brief",
	"/hom" + "e/",
}

func TestNoFileNamesAPlaceOfOneMachine(t *testing.T) {
	walk(t, func(path string) {
		for i, line := range strings.Split(content(t, path), "\n") {
			for _, place := range machinePaths {
				if strings.Contains(line, place) {
					t.Errorf("%s:%d: names %q, which is a place of one machine", path, i+1, place)
				}
			}
		}
	})
}
