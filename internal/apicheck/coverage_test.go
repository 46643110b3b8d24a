package apicheck

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	// The package is inspected from outside. With this import a change of it
	// also ends the caching of these tests' results.
	_ "github.com/swimguard/memberlist"
)

// Every addition to the API of memberlist v0.7.0 stands in
// testdata/additions.txt with the reason for it, so that none happens by
// accident: what is exported once has to stay.
func TestAdditionsToTheAPIAreReviewed(t *testing.T) {
	got, err := Additions("github.com/swimguard/memberlist", "conformance/main.go", "grafana/main.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/additions.txt")
	if err != nil {
		t.Fatal(err)
	}
	reviewed := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, reason, ok := strings.Cut(strings.TrimSpace(line), " ")
		switch reason = strings.TrimSpace(reason); {
		case name == "" || name == "#":
		case !ok || reason == "":
			t.Errorf("%s: no reason given", name)
		case reviewed[name] != "":
			t.Errorf("%s: listed twice", name)
		default:
			reviewed[name] = reason
		}
	}
	for _, name := range got {
		if reviewed[name] == "" {
			t.Errorf("%s is exported and not in testdata/additions.txt", name)
		}
		delete(reviewed, name)
	}
	for _, name := range slices.Sorted(maps.Keys(reviewed)) {
		t.Errorf("%s is in testdata/additions.txt and not exported", name)
	}
}

// The walk must see additions of every kind, or the test above proves nothing.
func TestAdditionsOfEveryKindAreFound(t *testing.T) {
	got, err := Additions("github.com/swimguard/memberlist/internal/apicheck/testdata/sample", "testdata/sample/program/main.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Const", "Func", "Interface", "Interface.Method", "Struct.Field", "Struct.Method", "Struct.Promoted", "Value", "Var",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
