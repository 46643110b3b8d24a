// Command vs runs the benchmarks of interop/bench for both implementations,
// alternately, and prints what benchstat makes of the results, and how they
// compare with the targets. It is what make bench-vs runs.
//
// Usage, in the folder interop/bench:
//
//	go run ./vs [-rounds 10] [-slow 3] [-all | -bench regexp] [-out folder]
//
// Without -all or -bench it runs what has a target.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// benchstat is pinned, as everything else that decides what is printed.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

// slow are benchmarks of what hardly varies but takes long to set up. They
// take part in the first rounds only.
var slow = []string{"BenchmarkHeap", "BenchmarkIdle"}

// side is one of the implementations.
type side struct {
	name   string
	tags   string
	binary string
	output string // all that it has printed
}

func main() {
	rounds := flag.Int("rounds", 10, "how often each benchmark runs on each side")
	slowRounds := flag.Int("slow", 3, "the same for "+strings.Join(slow, " and "))
	pattern := flag.String("bench", "", "benchmarks to run, as for go test; empty: those with a target")
	full := flag.Bool("all", false, "run all benchmarks, at every size of the table")
	out := flag.String("out", "", "folder for the results; empty: one that is thrown away")
	flag.Parse()
	if err := run(*rounds, *slowRounds, *pattern, *full, *out); err != nil {
		fmt.Fprintln(os.Stderr, "vs:", err)
		os.Exit(1)
	}
}

func run(rounds, slowRounds int, pattern string, full bool, out string) error {
	scratch, err := os.MkdirTemp("", "bench-vs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if out == "" {
		out = scratch
	} else if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	sides := []*side{
		{name: "incumbent", tags: "incumbent,hashicorpmetrics"},
		{name: "ours", tags: "hashicorpmetrics"},
	}
	for _, s := range sides {
		s.binary = filepath.Join(scratch, s.name+".test")
		s.output = filepath.Join(out, s.name)
		if err := os.WriteFile(s.output, nil, 0o666); err != nil {
			return err
		}
		if err := command("go", "test", "-c", "-tags", s.tags, "-o", s.binary, ".").Run(); err != nil {
			return fmt.Errorf("building %s: %w", s.name, err)
		}
	}
	var chosen []string // patterns, one for each benchmark function
	if pattern == "" && !full {
		chosen = withTargets()
	} else if chosen, err = choose(sides[0], pattern); err != nil {
		return err
	}
	var failed error
	began := time.Now()
	for round := range rounds {
		for _, one := range chosen {
			if slices.ContainsFunc(slow, func(name string) bool { return strings.HasPrefix(one, "^"+name+"$") }) && round >= slowRounds {
				continue
			}
			// Who is first alternates, too.
			for i := range sides {
				if err := sides[(i+round)%2].bench(one, full); err != nil {
					// The others are worth something without it.
					fmt.Fprintln(os.Stderr, "vs:", err)
					failed = errors.New("not all benchmarks have run")
				}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d done after %v\n", round+1, rounds, time.Since(began).Round(time.Second))
	}
	fmt.Printf("%d rounds on %s/%s, %d processors, %s\n\n", rounds, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	stat := command("go", "run", benchstat, "incumbent="+sides[0].output, "ours="+sides[1].output)
	stat.Stdout = os.Stdout
	if err := stat.Run(); err != nil {
		// What was measured is worth more than how it is set.
		fmt.Fprintln(os.Stderr, "vs: benchstat:", err)
	}
	if err := summarize(os.Stdout, sides[0].output, sides[1].output); err != nil {
		return err
	}
	return failed
}

// choose returns a pattern for each benchmark function that matches the first
// element of a pattern, with its other elements.
func choose(s *side, pattern string) (chosen []string, err error) {
	first, rest := pattern, ""
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		first, rest = pattern[:i], pattern[i:]
	}
	expr, err := regexp.Compile(first)
	if err != nil {
		return nil, err
	}
	list, err := exec.Command(s.binary, "-test.list", "^Benchmark").Output()
	if err != nil {
		return nil, fmt.Errorf("listing benchmarks: %w", err)
	}
	for _, name := range strings.Fields(string(list)) {
		if strings.HasPrefix(name, "Benchmark") && expr.MatchString(name) {
			chosen = append(chosen, "^"+name+"$"+rest)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("no benchmark matches " + pattern)
	}
	return chosen, nil
}

// bench runs one benchmark once.
func (s *side) bench(pattern string, full bool) error {
	var printed bytes.Buffer
	cmd := exec.Command(s.binary, "-test.run=^$", "-test.bench="+pattern, "-test.benchtime=1x", "-test.timeout=20m", fmt.Sprintf("-full=%v", full))
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s, %s: %w\n%s", s.name, pattern, err, printed.String())
	}
	f, err := os.OpenFile(s.output, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(printed.Bytes()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// command is one whose complaints the caller sees.
func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	return cmd
}
