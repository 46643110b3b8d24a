package memberlist

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRegressionTable checks docs/regressions.md: no hazard or regression is
// missing, every test named there exists, and every line is closed by a test, or
// says why it does not apply or what it waits for.
func TestRegressionTable(t *testing.T) {
	raw, err := os.ReadFile("docs/regressions.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := testNames(t)
	missing := map[string]bool{}
	for i := range 53 {
		missing[fmt.Sprint("H", i+1)] = true
	}
	for i := range 109 {
		missing[fmt.Sprint("R", i+1)] = true
	}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || !strings.HasPrefix(line, "| H") && !strings.HasPrefix(line, "| R") {
			continue
		}
		ref, tests, state := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		if !missing[ref] {
			t.Errorf("%s is there twice, or unknown", ref)
		}
		delete(missing, ref)
		named := 0
		for name := range strings.SplitSeq(tests, ",") {
			if name = strings.Trim(strings.TrimSpace(name), "`"); name == "" {
				continue
			}
			named++
			if !exists[name] {
				t.Errorf("%s: there is no test %s", ref, name)
			}
		}
		switch {
		case state == "closed" && named > 0:
		case strings.HasPrefix(state, "not applicable: "), strings.HasPrefix(state, "open: waits for "):
		default:
			t.Errorf("%s: state %q with %d tests", ref, state, named)
		}
	}
	for ref := range missing {
		t.Errorf("%s is missing", ref)
	}
}

// TestClaimsNameTheirTests checks that the tests that documents refer to exist.
func TestClaimsNameTheirTests(t *testing.T) {
	exists := testNames(t)
	name := regexp.MustCompile("`((Test|Fuzz)[A-Z][A-Za-z0-9]*(/[a-z_]+)?)`")
	for _, doc := range []string{"README.md", "SECURITY.md", "docs/reliability.md", "docs/compatibility.md", "docs/detection.md", "docs/simulation.md", "docs/interop.md", "docs/performance.md"} {
		raw, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(raw), -1) {
			if !exists[m[1]] {
				t.Errorf("%s: there is no test %s", doc, m[1])
			}
		}
	}
}

// testNames is every test and fuzz target of this module, and every story of
// TestProtocol.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	stories, _ := filepath.Glob("testdata/protocol/*.txt")
	for _, story := range stories {
		names["TestProtocol/"+strings.TrimSuffix(filepath.Base(story), ".txt")] = true
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
