package netns

import (
	"fmt"
	"io"
	"sync"
)

// outcome is a line of the table in docs/reliability.md.
type outcome struct {
	scenario, expected, seen string
}

// outcomes are those of this run, in the order in which scenarios are listed.
type outcomes struct {
	mu    sync.Mutex
	lines map[int]outcome
	last  int
}

var results = outcomes{lines: map[int]outcome{}}

func (o *outcomes) add(number int, line outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines[number] = line
	o.last = max(o.last, number)
}

// print writes the table in Markdown.
func (o *outcomes) print(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) == 0 {
		return
	}
	fmt.Fprintln(w, "\n| scenario | expected | seen |\n|---|---|---|")
	for number := range o.last + 1 {
		if l, ok := o.lines[number]; ok {
			fmt.Fprintf(w, "| %s | %s | %s |\n", l.scenario, l.expected, l.seen)
		}
	}
}
