// Command memberlist shows and runs cluster members.
//
//	memberlist demo     a real cluster on loopback: joins, talks, crashes, detects
//	memberlist agent    one member: joins a cluster, prints events, leaves on SIGTERM
//	memberlist version  what this binary is
//	memberlist help     how to use the others
//
// The exit status is 0 on success, 1 when something failed, and 2 when the
// command line could not be understood.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// streams are the process's standard streams, or a test's.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// verb is one thing this command can do.
type verb struct {
	name, summary string
	run           func(args []string, std streams) int
	usage         func(w io.Writer) // nil: there is nothing to add to the summary
}

// verbs is a function because the help verb lists itself.
func verbs() []verb {
	return []verb{
		{"demo", "run a real cluster on loopback and watch it work", demoCommand, demoUsage},
		{"agent", "run one member until it is told to stop", agentCommand, agentUsage},
		{"version", "print version information", versionCommand, nil},
		{"help", "explain a verb: memberlist help VERB", helpCommand, nil},
	}
}

func main() {
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run is main without the process around it.
func run(args []string, std streams) int {
	if len(args) == 0 {
		usage(std.err)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	for _, v := range verbs() {
		if v.name == name {
			return v.run(args[1:], std)
		}
	}
	fmt.Fprintf(std.err, "memberlist: unknown verb %q\n\n", args[0])
	usage(std.err)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "Usage: memberlist VERB [flags]")
	fmt.Fprintln(w)
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-9s %s\n", v.name, v.summary)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "Start with: memberlist demo")
}

func helpCommand(args []string, std streams) int {
	if len(args) == 0 {
		usage(std.out)
		return exitOK
	}
	for _, v := range verbs() {
		if v.name != args[0] {
			continue
		}
		if v.usage == nil {
			fmt.Fprintf(std.out, "memberlist %s: %s\n", v.name, v.summary)
		} else {
			v.usage(std.out)
		}
		return exitOK
	}
	fmt.Fprintf(std.err, "memberlist: no help for unknown verb %q\n\n", args[0])
	usage(std.err)
	return exitUsage
}

// parseFlags parses the flags of a verb. When it reports false, the verb is
// over and status is what to exit with: help was asked for, or the command
// line is wrong and that has been said.
func parseFlags(fs *flag.FlagSet, args []string, std streams) (status int, ok bool) {
	// The flag package writes every complaint together with the whole usage.
	// A person who mistyped one flag is better served by the complaint alone.
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return helpCommand([]string{fs.Name()}, std), false
	case err != nil:
	case fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	default:
		return exitOK, true
	}
	fmt.Fprintf(std.err, "memberlist %s: %v\nSee: memberlist help %s\n", fs.Name(), err, fs.Name())
	return exitUsage, false
}

// printFlags lists the flags of fs, one or two lines each.
func printFlags(w io.Writer, fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		kind, text := flag.UnquoteUsage(f)
		head := "  -" + f.Name
		if kind != "" {
			head += " " + kind
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "%s\n        %s\n", head, strings.ReplaceAll(text, "\n", "\n        "))
	})
}
