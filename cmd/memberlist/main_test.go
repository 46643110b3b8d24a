package main

import (
	"bytes"
	"strings"
	"testing"
)

// runCaptured runs the command line and returns the exit status and what was
// printed.
func runCaptured(args ...string) (status int, out, errOut string) {
	var o, e bytes.Buffer
	status = run(args, streams{in: strings.NewReader(""), out: &o, err: &e})
	return status, o.String(), e.String()
}

func TestCommandLineExitStatuses(t *testing.T) {
	for _, tc := range []struct {
		args    string
		status  int
		out     string // part of standard output
		errText string // part of standard error
	}{
		{"", exitUsage, "", "Usage: memberlist VERB"},
		{"frobnicate", exitUsage, "", `unknown verb "frobnicate"`},
		{"-frobnicate", exitUsage, "", `unknown verb "-frobnicate"`},
		{"help", exitOK, "Usage: memberlist VERB", ""},
		{"--help", exitOK, "Usage: memberlist VERB", ""},
		{"-h", exitOK, "Usage: memberlist VERB", ""},
		{"help agent", exitOK, "-key-file file", ""},
		{"help demo", exitOK, "-pause time", ""},
		{"help version", exitOK, "memberlist version:", ""},
		{"help frobnicate", exitUsage, "", `unknown verb "frobnicate"`},
		{"agent -h", exitOK, "Usage: memberlist agent", ""},
		{"demo --help", exitOK, "Usage: memberlist demo", ""},
		{"version", exitOK, "protocol versions 1 to 5", ""},
		{"--version", exitOK, "protocol versions 1 to 5", ""},
		{"version now", exitUsage, "", `unexpected argument "now"`},
		{"agent -nmae x", exitUsage, "", "flag provided but not defined: -nmae"},
		{"agent 10.0.0.1:7946", exitUsage, "", `unexpected argument "10.0.0.1:7946"`},
		{"agent -profile moon", exitUsage, "", `-profile "moon": must be lan, wan or local`},
		{"demo -pause soon", exitUsage, "", `invalid value "soon" for flag -pause`},
	} {
		status, out, errOut := runCaptured(strings.Fields(tc.args)...)
		if status != tc.status {
			t.Errorf("memberlist %s: status %d, want %d", tc.args, status, tc.status)
		}
		if !strings.Contains(out, tc.out) || (tc.out == "") != (out == "") {
			t.Errorf("memberlist %s: printed %q, want %q in it", tc.args, out, tc.out)
		}
		if !strings.Contains(errOut, tc.errText) || (tc.errText == "") != (errOut == "") {
			t.Errorf("memberlist %s: standard error %q, want %q in it", tc.args, errOut, tc.errText)
		}
	}
}

func TestEveryVerbIsInTheUsage(t *testing.T) {
	_, out, _ := runCaptured("help")
	for _, v := range verbs() {
		if !strings.Contains(out, v.name) || !strings.Contains(out, v.summary) {
			t.Errorf("the usage does not explain %q", v.name)
		}
	}
}
