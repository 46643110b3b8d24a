// Command regress runs one scenario of a bug that github.com/hashicorp/memberlist
// v0.7.0 has, and says whether the library that it is linked with has it. The
// scenarios use the exported API and a network in memory only.
//
// The test of this package builds the command twice from the same source: with
// go.mod, which has v0.7.0, and with ours.mod, which puts this library in its
// place by way of dropin. Every scenario must show its defect there and not
// here: so the tests of the root module for the same lines of
// docs/regressions.md are known to be about something. Each scenario is a
// process of its own, because some of the defects are panics and deadlocks.
//
//	go run . NAME                    on v0.7.0
//	go run -modfile=ours.mod . NAME  on this library
package main

import (
	"fmt"
	"os"
)

// Exit statuses; a panic is 2.
const (
	exitGood   = 0
	exitUsage  = 1
	exitDefect = 3
)

func main() {
	if len(os.Args) == 2 {
		for _, s := range scenarios {
			if s.name != os.Args[1] {
				continue
			}
			if seen := s.run(); seen != "" {
				fmt.Println("defect:", seen)
				os.Exit(exitDefect)
			}
			fmt.Println("good")
			os.Exit(exitGood)
		}
	}
	fmt.Fprintln(os.Stderr, "Usage: regress NAME, which is one of:")
	for _, s := range scenarios {
		fmt.Fprintf(os.Stderr, "  %-12s %s: %s\n", s.name, s.refs, s.what)
	}
	os.Exit(exitUsage)
}
