package layers

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// own is the part of an import path below the module, false for others.
func own(imported string) (string, bool) {
	return strings.CutPrefix(imported, Module+"/")
}

// allowed tells whether a file of the package may import one of ours.
func allowed(pkg string, test bool, imported string) bool {
	row := House[pkg]
	if slices.Contains(row.Imports, imported) {
		return true
	}
	return test && (imported == pkg || slices.Contains(row.Tests, imported) || slices.Contains(TestImports, imported))
}

func TestImportsAreThoseOfTheTable(t *testing.T) {
	for _, s := range tree(t) {
		for imported, line := range s.imports() {
			pkg, ours := own(imported)
			if ours && !allowed(s.pkg, s.test, pkg) {
				t.Errorf("%s: %s may not import %s; the table in tests/layers/layers.go says what it may", line, s.pkg, pkg)
			}
		}
	}
}

func TestEveryPackageIsInTheTable(t *testing.T) {
	for _, s := range tree(t) {
		if _, ok := House[s.pkg]; !ok {
			t.Errorf("%s: package %s is not in the table; add it to tests/layers/layers.go with what it may import", s.path, s.pkg)
		}
	}
}

// The table itself must run one way, or holding it would prove nothing.
func TestTableHasNoCycle(t *testing.T) {
	var visit func(pkg string, way []string)
	visit = func(pkg string, way []string) {
		if slices.Contains(way, pkg) {
			t.Fatalf("imports run in a circle: %s", strings.Join(append(way, pkg), " -> "))
		}
		row, ok := House[pkg]
		if !ok {
			t.Errorf("%s may import %s, which has no row", way[len(way)-1], pkg)
		}
		for _, next := range row.Imports {
			visit(next, append(slices.Clone(way), pkg))
		}
	}
	for pkg := range House {
		visit(pkg, nil)
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	for _, s := range tree(t) {
		for _, name := range []string{s.file.Name.Name, path.Base(s.pkg)} {
			if slices.Contains(Nameless, strings.TrimSuffix(name, "_test")) {
				t.Errorf("%s: a package called %q says nothing; name it after what it holds", s.path, name)
			}
		}
	}
}

func TestPurePackagesStayPure(t *testing.T) {
	for _, s := range tree(t) {
		if s.test || !House[s.pkg].Pure {
			continue
		}
		for imported, line := range s.imports() {
			if forbidden(s.pkg, imported) {
				t.Errorf("%s: %s is pure and may not import %s", line, s.pkg, imported)
			}
		}
		for _, call := range clockCalls(s.file) {
			t.Errorf("%s: %s is pure: the time is an argument, not time.%s", s.line(call), s.pkg, call.Sel.Name)
		}
	}
}

// forbidden tells the imports of a pure package that reach outside it. xfrm
// names a context in Backend and hides its Secret from slog.
func forbidden(pkg, imported string) bool {
	if _, ours := own(imported); ours || imported == "net/netip" {
		return false
	}
	if pkg == "xfrm" && (imported == "context" || imported == "log/slog") {
		return false
	}
	if pkg == "ike/ikesim" && imported == "context" { // it calls xfrmtest's Backend
		return false
	}
	return under(imported, Impure)
}

func clockCalls(f *ast.File) []*ast.SelectorExpr {
	var found []*ast.SelectorExpr
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(Clock, sel.Sel.Name) {
			found = append(found, sel)
		}
		return true
	})
	return found
}

func TestOnlyTheDaemonLogs(t *testing.T) {
	for _, s := range tree(t) {
		if s.test || under(s.pkg, Logs) || s.pkg == "xfrm" {
			continue
		}
		for imported, line := range s.imports() {
			if under(imported, []string{"log"}) {
				t.Errorf("%s: %s may not log; return an error, an event or a counter", line, s.pkg)
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, s := range tree(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init functions; let main call what must be called", s.line(f))
			}
		}
	}
}

// Every package says in its doc what it is.
func TestEveryPackageHasADoc(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range tree(t) {
		if strings.HasSuffix(s.file.Name.Name, "_test") {
			continue
		}
		documented[s.pkg] = documented[s.pkg] || s.file.Doc != nil
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", pkg)
		}
	}
}

// The checks above are as good as these two answers.
func TestTheRulesForbid(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		test, ok      bool
	}{
		{"ike/v1", "ike/isakmp", false, true},
		{"ike/isakmp", "ike/v1", false, false},
		{"ike/v1", "daemon/netio", false, false},
		{"ike/v1", "xfrm/xfrmtest", false, false},
		{"ike/v1", "xfrm/xfrmtest", true, true},
		{"ike/v1", "ike/v1", true, true},
		{"xfrm", "ike", true, false},
		{"nowhere", "xfrm", false, false},
	} {
		if got := allowed(c.pkg, c.test, c.imported); got != c.ok {
			t.Errorf("%s (test file: %v) may import %s: %v, want %v", c.pkg, c.test, c.imported, got, c.ok)
		}
	}
	for imported, want := range map[string]bool{
		"net": true, "net/netip": false, "net/http": true, "os": true, "log/slog": true, "netx": false,
		Module + "/ike": false, "github.com/vishvananda/netlink": true, "crypto/hmac": false,
	} {
		if got := forbidden("ike/v1", imported); got != want {
			t.Errorf("a pure package may not import %s: %v, want %v", imported, got, want)
		}
	}
}
