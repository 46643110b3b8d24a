// Package script runs data-driven tests: a file of commands, each followed by
// the output it must have.
//
//	# A paragraph that says what the story is about.
//
//	command key=value flag
//	further input lines
//	----
//	expected output
//
// A blank line ends the output. Run the tests with -rewrite to write what the
// commands really print into the files; reading that diff is the review.
package script

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the actual output into the script files")

// Command is one command of a script.
type Command struct {
	Pos   string // file:line, for messages
	Line  string // what follows the name, as written
	Name  string
	Args  []string // what follows the name, without the key=value pairs
	Named map[string]string
	Input []string // the lines between the command and its output
}

// Arg returns the named argument, or otherwise when it is not given.
func (c Command) Arg(name, otherwise string) string {
	if v, ok := c.Named[name]; ok {
		return v
	}
	return otherwise
}

// Walk runs every file that matches pattern as a subtest. newRunner is called
// once for each file; what it returns runs one command and returns its output.
// A pattern without files fails the test.
func Walk(t *testing.T, pattern string, newRunner func(t *testing.T) func(Command) string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s (%v)", pattern, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { runFile(t, file, newRunner(t)) })
	}
}

func runFile(t *testing.T, file string, run func(Command) string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := parse(file, string(data))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range steps {
		out.WriteString(s.text)
		if s.cmd.Name == "" {
			continue
		}
		got := strings.TrimRight(run(s.cmd), "\n")
		if got != s.want && !*rewrite {
			t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", s.cmd.Pos, s.cmd.Name, got, s.want)
		}
		out.WriteString("----\n")
		if got != "" {
			out.WriteString(got + "\n")
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// step is a command with the text of the file up to its output, or trailing text.
type step struct {
	text string
	cmd  Command
	want string
}

func parse(file, data string) ([]step, error) {
	var steps []step
	var cur step
	lines := strings.Split(strings.TrimRight(data, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" && cur.cmd.Name == "" {
			cur.text += line + "\n"
			continue
		}
		if cur.cmd.Name == "" {
			cur.cmd = parseCommand(line)
			cur.cmd.Pos = fmt.Sprintf("%s:%d", file, i+1)
			cur.text += line + "\n"
			continue
		}
		if line != "----" {
			cur.cmd.Input = append(cur.cmd.Input, line)
			cur.text += line + "\n"
			continue
		}
		var want []string
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
			want = append(want, lines[i])
		}
		i-- // the blank line belongs to the text of the next step
		cur.want = strings.Join(want, "\n")
		steps = append(steps, cur)
		cur = step{}
	}
	if cur.cmd.Name != "" {
		return nil, fmt.Errorf("%s: command without ----", cur.cmd.Pos)
	}
	return append(steps, cur), nil
}

func parseCommand(line string) Command {
	fields := strings.Fields(line)
	c := Command{Line: strings.Join(fields[1:], " "), Name: fields[0], Named: map[string]string{}}
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			c.Named[k] = v
		} else {
			c.Args = append(c.Args, f)
		}
	}
	return c
}
