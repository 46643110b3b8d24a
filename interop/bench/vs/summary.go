package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// results are the figures of one side: by benchmark and unit, one a round.
type results map[[2]string][]float64

// readResults reads what go test has printed.
func readResults(path string) (results, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := results{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i >= 0 {
			name = name[:i]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			key := [2]string{name, fields[i+1]}
			r[key] = append(r[key], v)
		}
	}
	return r, nil
}

// median of what is measured, which is not empty.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// summarize prints how the medians compare with the targets.
func summarize(w io.Writer, incumbent, ours string) error {
	theirs, err := readResults(incumbent)
	if err != nil {
		return err
	}
	mine, err := readResults(ours)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nTargets, by the medians of all rounds. %q is the processor time of all threads.\n\n", cpu)
	fmt.Fprintf(w, "| work | figure | incumbent | ours | ratio | target | |\n|---|---|--:|--:|--:|--:|---|\n")
	met, all := 0, 0
	for _, t := range targets {
		a, b := theirs[[2]string{t.row, t.unit}], mine[[2]string{t.row, t.unit}]
		if len(a) == 0 || len(b) == 0 {
			continue // not among those that ran
		}
		verdict := "missed"
		if all++; t.holds(median(a), median(b)) {
			met++
			verdict = "met"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", t.work, t.unit,
			figure(median(a)), figure(median(b)), ratio(median(a), median(b)), t.limit(), verdict)
	}
	fmt.Fprintf(w, "\n%d of %d met\n", met, all)
	return nil
}

// holds compares figures as exactly as they were printed.
func (t target) holds(theirs, ours float64) bool {
	if t.times > 0 {
		return theirs >= t.times*ours
	}
	return ours <= t.most
}

func (t target) limit() string {
	switch {
	case t.none:
		return "0"
	case t.times > 0:
		return fmt.Sprintf("≥ %.3g×", t.times)
	default:
		return fmt.Sprintf("≤ %g", t.most)
	}
}

func ratio(theirs, ours float64) string {
	switch {
	case ours > 0:
		return fmt.Sprintf("%.3g×", theirs/ours)
	case theirs > 0:
		return "∞"
	default:
		return "1×"
	}
}

// figure prints three digits, or all of what is before the point.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
