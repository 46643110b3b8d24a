package interop

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// tally counts, for each medium and mode, the clusters and how often each check
// held.
type tally struct {
	mu   sync.Mutex
	rows []*tallyRow
}

type tallyRow struct {
	name  string
	held  map[string]map[proportion]bool // check → clusters in which it held
	ran   map[string]map[proportion]bool // check → clusters in which it was tried
	sizes []proportion                   // of the clusters in which all held
}

var results tally

// row adds a line, and returns it.
func (r *tally) row(name string) *tallyRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := &tallyRow{name: name, held: map[string]map[proportion]bool{}, ran: map[string]map[proportion]bool{}}
	r.rows = append(r.rows, row)
	return row
}

// try notes that a check begins; the function it returns that it held. An
// attempt that is made again counts once.
func (r *tally) try(row *tallyRow, check string, p proportion) (held func()) {
	note := func(in map[string]map[proportion]bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if in[check] == nil {
			in[check] = map[proportion]bool{}
		}
		in[check][p] = true
	}
	note(row.ran)
	return func() { note(row.held) }
}

// done notes that a whole cluster held.
func (r *tally) done(row *tallyRow, p proportion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row.sizes = append(row.sizes, p)
}

// String is the matrix of mode × check in Markdown: in how many clusters each
// check held, of how many if not in all in which it was tried; and the sizes.
func (r *tally) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := checkNames()
	var b strings.Builder
	fmt.Fprintf(&b, "| clusters in which it held | %s | ours + theirs |\n|---|%s---|\n", strings.Join(names, " | "), strings.Repeat("--:|", len(names)))
	for _, row := range r.rows {
		if len(row.ran) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s |", row.name)
		for _, name := range names {
			switch held, ran := len(row.held[name]), len(row.ran[name]); {
			case ran == 0:
				b.WriteString(" |")
			case held == ran:
				fmt.Fprintf(&b, " %d |", held)
			default:
				fmt.Fprintf(&b, " **%d of %d** |", held, ran)
			}
		}
		fmt.Fprintf(&b, " %s |\n", sizesText(row.sizes))
	}
	return b.String()
}

// sizesText lists proportions, or says that all of 2 to maxNodes nodes are there.
func sizesText(sizes []proportion) string {
	have := map[[2]int]bool{}
	var list []string
	for _, p := range sizes {
		have[[2]int{p.ours, p.theirs}] = true
		list = append(list, fmt.Sprintf("%d+%d", p.ours, p.theirs))
	}
	if len(have) == maxNodes*(maxNodes-1)/2 {
		return fmt.Sprintf("all %d", len(have))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func checkNames() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}
