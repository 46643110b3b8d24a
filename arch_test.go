package memberlist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The functional core: what these files hold is a pure function of inputs,
// time and a seed. The simulator, the scripts and every claim about detection
// depend on it.
var coreFiles = []string{
	"awareness.go", "brake.go", "broadcast.go", "effects.go", "explain.go", "gossip.go", "heal.go", "hold.go", "move.go", "names.go", "params.go", "pause.go", "probe.go",
	"pushpull.go", "rtt.go", "selection.go", "state.go", "suspicion.go", "swim.go", "table.go", "verify.go",
}

const module = "github.com/swimguard/memberlist/"

// What the core may import. Nothing here can read a clock, open a socket,
// start a goroutine or log. The seeds of maphash are chance, but without effect:
// as in a map, they decide where a name lies and not what is found.
var coreImports = []string{
	"cmp", "errors", "fmt", "hash/maphash", "math", "math/rand/v2", "net/netip", "slices", "strconv", "time",
	module + "internal/deadline", module + "internal/wire",
}

// Functions of permitted packages that are not pure.
var impure = map[string]func(name string) bool{
	"time": func(name string) bool {
		return slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}, name)
	},
	// Package-level functions draw from the process-wide generator.
	"rand": func(name string) bool { return name != "Rand" && name != "New" && name != "NewPCG" && name != "Source" },
	"fmt":  func(name string) bool { return strings.HasPrefix(name, "Print") || strings.HasPrefix(name, "Scan") },
}

func TestCoreIsPure(t *testing.T) {
	for _, name := range coreFiles {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range impurities(file) {
			t.Errorf("%v: %s", fset.Position(found.pos), found.what)
		}
	}
}

type impurity struct {
	pos  token.Pos
	what string
}

func impurities(file *ast.File) (found []impurity) {
	report := func(n ast.Node, what string) { found = append(found, impurity{n.Pos(), what}) }
	for _, spec := range file.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(coreImports, path) {
			report(spec, "the core may not import "+path)
		}
	}
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
			report(d, "a package-level variable is state outside swim")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "go statement")
		case *ast.SelectStmt:
			report(n, "select statement")
		case *ast.SendStmt:
			report(n, "channel send")
		case *ast.ChanType:
			report(n, "channel type")
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok {
				if bad := impure[pkg.Name]; bad != nil && bad(n.Sel.Name) {
					report(n, pkg.Name+"."+n.Sel.Name)
				}
			}
		}
		return true
	})
	return found
}

// TestImpuritiesAreFound shows that the fence can fail.
func TestImpuritiesAreFound(t *testing.T) {
	const src = `package p
import ("os"; "time"; "math/rand/v2")
var state int
func f(c chan int) { go f(nil); select {}; c <- rand.IntN(3); _ = time.Now() }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range impurities(file) {
		got = append(got, f.what)
	}
	want := []string{
		"the core may not import os", "a package-level variable is state outside swim", "channel type",
		"go statement", "select statement", "channel send", "rand.IntN", "time.Now",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
