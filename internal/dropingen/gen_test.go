package dropingen

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var write = flag.Bool("write", false, "write dropin/dropin.go")

// TestDropinIsFresh fails when the exported API has changed and
// dropin/dropin.go has not: run go generate in the root.
func TestDropinIsFresh(t *testing.T) {
	const file = "../../dropin/dropin.go"
	want, err := Generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	if *write {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("dropin/dropin.go is stale: run go generate in the root")
	}
}
