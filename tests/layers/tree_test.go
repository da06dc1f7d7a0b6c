package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the project's directory as the tests of this package see it.
const root = "../.."

// source is one Go file of the tree.
type source struct {
	path string // from the root, with slashes
	pkg  string // its directory, the key of House
	test bool
	file *ast.File
	set  *token.FileSet
}

// line is "path:line" of a place in the file.
func (s source) line(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// imports gives each import path and where it stands.
func (s source) imports() map[string]string {
	all := map[string]string{}
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			all[path] = s.line(spec)
		}
	}
	return all
}

// skipDir tells the directories that hold nothing of ours.
func skipDir(name string) bool {
	return name == ".git" || name == "bin" || name == "dist"
}

// walk calls do with every regular file of the project, by its path from the
// root.
func walk(t *testing.T, do func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipDir(d.Name()):
			return filepath.SkipDir
		case d.Type().IsRegular():
			from, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			do(filepath.ToSlash(from))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tree parses every Go file of the project, whatever its build tags.
func tree(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata/") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		all = append(all, source{path, dir, strings.HasSuffix(path, "_test.go"), file, set})
	})
	if len(all) == 0 {
		t.Fatal("no Go file found: the test does not see the tree")
	}
	return all
}

// content reads a file of the tree; one that went away meanwhile is empty.
func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// under tells whether an import path or package is one of the prefixes or lies
// below it; a prefix that ends in "/" stands for what is below only.
func under(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return path == p || strings.HasPrefix(path, strings.TrimSuffix(p, "/")+"/")
	})
}
