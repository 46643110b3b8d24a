package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a scenario may take; what still runs then hangs.
const patience = 30 * time.Second

// TestRegressions runs every scenario on both libraries: v0.7.0 must show the
// defect, and ours must not.
func TestRegressions(t *testing.T) {
	dir := t.TempDir()
	incumbent, ours := filepath.Join(dir, "incumbent"), filepath.Join(dir, "ours")
	build(t, "-o", incumbent, ".")
	build(t, "-modfile=ours.mod", "-o", ours, ".")
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if status, out := run(t, ours, s.name); status != exitGood {
				t.Errorf("%s, %s: status %d on this library:\n%s", s.refs, s.what, status, out)
			}
			status, out := run(t, incumbent, s.name)
			if status == exitGood || !strings.Contains(out, s.shows) || strings.Contains(out, "panic: scenario:") {
				t.Errorf("%s, %s: status %d on v0.7.0, and not %q:\n%s", s.refs, s.what, status, s.shows, out)
			} else {
				t.Logf("v0.7.0: %s", symptom(out))
			}
		})
	}
}

func build(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// run runs a scenario to its end, or until it hangs.
func run(t *testing.T, binary, name string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, name)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		return -1, "hangs\n" + string(b)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// symptom is the line of the output that says what is wrong.
func symptom(out string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "defect:") {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(out)
}

// TestReferences checks the last column of docs/regressions.md: it names the
// scenarios about each line.
func TestReferences(t *testing.T) {
	raw, err := os.ReadFile("../../docs/regressions.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, s := range scenarios {
		for ref := range strings.SplitSeq(s.refs, ", ") {
			want[ref] = append(want[ref], "`"+s.name+"`")
		}
	}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 {
			continue
		}
		ref := strings.TrimSpace(cells[0])
		if ref == "reference" || strings.HasPrefix(ref, "--") {
			continue
		}
		if got := strings.TrimSpace(cells[4]); got != strings.Join(want[ref], ", ") {
			t.Errorf("%s: the column has %q, the scenarios are %v", ref, got, want[ref])
		}
		delete(want, ref)
	}
	for ref, names := range want {
		t.Errorf("%s has no line for %v", ref, names)
	}
}
