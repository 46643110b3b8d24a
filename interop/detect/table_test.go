package detect

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	full     = flag.Bool("full", false, "run the scenarios in full and print their tables")
	gridC    = flag.String("c", "", "numbers of anomalous members in the Lifeguard experiments, comma-separated; empty means as many as the tables say")
	gridD    = flag.String("d", "", "lengths of their anomalies in milliseconds")
	gridI    = flag.String("i", "", "pauses between these in milliseconds")
	only     = flag.String("system", "", "comma-separated systems to run: incumbent, ours, tolerance, mixed; empty means those of each table")
	seeds    = flag.Int("seeds", 0, "runs of each scenario, with the seeds from 0 up; 0 means as many as each table says")
	parallel = flag.Int("clusters", 1, "clusters that run at the same time")
)

// pick is few in the ordinary run, and many, or -seeds, in the full one.
func pick(few, many int) int {
	switch {
	case *seeds > 0:
		return *seeds
	case *full:
		return many
	}
	return few
}

// sized is few members in the ordinary run, and many in the full one.
func sized(few, many int) int {
	if *full {
		return many
	}
	return few
}

// numbers is what a flag says, or the default when it says nothing.
func numbers(t *testing.T, list string, otherwise ...int) (ns []int) {
	if list == "" {
		return otherwise
	}
	for _, word := range strings.Split(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		ns = append(ns, n)
	}
	return ns
}

// systems narrows the choice of a table down to what -system says.
func systems(choice ...*system) []*system {
	if *only == "" {
		return choice
	}
	short := map[string]*system{"incumbent": incumbent, "ours": current, "tolerance": tolerant, "mixed": mixed}
	var picked []*system
	for _, name := range strings.Split(*only, ",") {
		if s := short[name]; slices.Contains(choice, s) {
			picked = append(picked, s)
		}
	}
	return picked
}

// each runs f for every seed, some at the same time, and returns the results in
// the order of the seeds.
func each[T any](t *testing.T, runs int, f func(t *testing.T, seed uint64) T) []T {
	t.Helper()
	results := make([]T, runs)
	slots := make(chan struct{}, max(1, *parallel))
	var all sync.WaitGroup
	for i := range runs {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			results[i] = f(t, uint64(i))
		})
	}
	all.Wait()
	return results
}

// table prints rows of Markdown. Tests log them, so that -v shows them.
type table struct {
	t *testing.T
	b strings.Builder
}

func newTable(t *testing.T, head ...string) *table {
	tb := &table{t: t}
	tb.row(head...)
	tb.row(slices.Repeat([]string{"---"}, len(head))...)
	return tb
}

func (tb *table) row(cells ...string) {
	fmt.Fprintf(&tb.b, "| %s |\n", strings.Join(cells, " | "))
	if *full && tb.t != nil {
		// A table can take long: its rows show as they come.
		fmt.Printf("| %s |\n", strings.Join(cells, " | "))
	}
}

func (tb *table) print() { tb.t.Logf("\n%s", tb.b.String()) }

// quantile sorts d.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

func secs(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func count(n int) string { return fmt.Sprint(n) }

// ratio is a in units of b.
func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f×", a/b)
}

func meanLoad(loads []load) (m load) {
	for _, l := range loads {
		m.packets += l.packets / float64(len(loads))
		m.bytes += l.bytes / float64(len(loads))
		m.streamBytes += l.streamBytes / float64(len(loads))
	}
	return m
}
