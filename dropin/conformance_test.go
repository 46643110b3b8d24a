package memberlist

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	// With this import a change of the API also ends the caching of the result.
	_ "github.com/swimguard/memberlist"
)

// TestProgramsOfTheOriginalCompile builds and runs the programs that know every
// identifier of the original, under the original's import path and with the
// directives that a user writes.
func TestProgramsOfTheOriginalCompile(t *testing.T) {
	dropin, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(dropin)
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		// A workspace around this checkout is none of the user's.
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %q: %v\n%s", args, err, out)
		}
		return string(out)
	}

	// The requirements of this module are those that a user gets from it.
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("mod", "edit", "-module=program", "-require=github.com/hashicorp/memberlist@v0.7.0",
		"-replace=github.com/hashicorp/memberlist="+dropin, "-replace=github.com/swimguard/memberlist="+root)

	for _, program := range []string{"conformance", "grafana"} {
		source, err := os.ReadFile(filepath.Join(root, "internal", "apicheck", program, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		ours, original := []byte(`"github.com/swimguard/memberlist"`), []byte(`"github.com/hashicorp/memberlist"`)
		if bytes.Count(source, ours) != 1 {
			t.Fatalf("%s does not import the package once", program)
		}
		if err := os.Mkdir(filepath.Join(dir, program), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, program, "main.go"), bytes.Replace(source, ours, original, 1), 0o644); err != nil {
			t.Fatal(err)
		}
		if out := run("run", "./"+program); out != "ok\n" {
			t.Errorf("%s: %s", program, out)
		}
	}
}
