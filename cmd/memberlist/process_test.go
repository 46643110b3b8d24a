//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/internal/testkit"
)

// These tests build the command and run it as processes on loopback: signals,
// exit statuses and what one process sees of another's death have no substitute.

var command string // built by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "memberlist")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		command = filepath.Join(dir, "memberlist")
		if out, err := exec.Command("go", "build", "-o", command, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the command: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// patience is for what should take well under a second, on a busy machine.
const patience = 15 * time.Second

// process is an agent in a process of its own.
type process struct {
	t      *testing.T
	name   string
	addr   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	events chan event // closed at the end of its standard output
}

// launch starts an agent called name that prints JSON events.
func launch(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, events: make(chan event, 1024)}
	args = append([]string{"agent", "-name", name, "-profile", "local", "-events", "json"}, args...)
	p.cmd = exec.Command(command, args...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(p.events)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("%s printed %q: %v", name, lines.Text(), err)
				return
			}
			p.events <- e
		}
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", name, p.stderr.String())
		}
	})
	return p
}

// launchMember is launch for an agent on a free port that does start.
func launchMember(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := launch(t, name, append([]string{"-bind", "127.0.0.1:0"}, args...)...)
	p.addr = p.await(patience, "started", name).Addr
	return p
}

// await returns the next event of that kind about that name.
func (p *process) await(patience time.Duration, kind, name string) event {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				p.t.Fatalf("%s ended before it printed %q about %s", p.name, kind, name)
			}
			if e.Event == kind && e.Name == name {
				return e
			}
		case <-timeout:
			p.t.Fatalf("%s did not print %q about %s within %v", p.name, kind, name, patience)
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal to %s: %v", p.name, err)
	}
}

// exit waits for the process and returns its status and the names of the
// events it still printed.
func (p *process) exit() (status int, kinds []string) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, ok := <-p.events:
			if ok {
				kinds = append(kinds, e.Event)
				continue
			}
		case <-timeout:
			p.t.Fatalf("%s did not exit within %v", p.name, patience)
		}
		p.cmd.Wait()
		return p.cmd.ProcessState.ExitCode(), kinds
	}
}

func TestAgentsTellACrashFromAGoodbye(t *testing.T) {
	a := launchMember(t, "a")
	b := launchMember(t, "b", "-join", a.addr, "-meta", "role=db")
	c := launchMember(t, "c", "-join", a.addr)
	if e := a.await(patience, "joined", "b"); e.Meta != "role=db" || e.Addr != b.addr {
		t.Errorf("a was told %+v about b", e)
	}
	a.await(patience, "joined", "c")
	b.await(patience, "joined", "c")

	promise := predictDetection(memberlist.DefaultLocalConfig(), 3, 3)
	killed := time.Now()
	c.signal(syscall.SIGKILL)
	for _, p := range []*process{a, b} {
		e := p.await(promise.latest+patience, "failed", "c")
		took := e.Time.Sub(killed)
		t.Logf("%s reported c failed after %v; promised %v to %v", p.name, took, promise.earliest, promise.latest)
		// Under way to c when it died, a ping counts from before; and a process
		// on a busy machine may be late by a little.
		if took < promise.earliest-demoSlack || took > promise.latest+time.Second {
			t.Errorf("%s reported the crash after %v, but %v to %v were promised", p.name, took, promise.earliest, promise.latest)
		}
	}

	b.signal(syscall.SIGTERM)
	a.await(patience, "left", "b")
	if status, kinds := b.exit(); status != exitOK || strings.Join(kinds, " ") != "leaving left stopped" {
		t.Errorf("b exited with status %d after %q", status, kinds)
	}

	// The last one has nobody to tell.
	a.signal(syscall.SIGINT)
	if status, kinds := a.exit(); status != exitOK || strings.Join(kinds, " ") != "leaving left stopped" {
		t.Errorf("a exited with status %d after %q", status, kinds)
	}
}

func TestAgentsWithKeyAndLabelTalk(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	oldKey, newKey := strings.Repeat("0a", 16), strings.Repeat("0b", 32)
	onlyOld := write("old", oldKey)
	both := write("both", newKey+"\n"+oldKey+"\n")

	a := launchMember(t, "a", "-label", "blue", "-key-file", both, "-stdin")
	b := launchMember(t, "b", "-label", "blue", "-key-file", both, "-join", a.addr, "-join-once")
	a.await(patience, "joined", "b")
	if _, err := io.WriteString(a.stdin, "hello, b\n"); err != nil {
		t.Fatal(err)
	}
	if e := b.await(patience, "message", "a"); e.Text != "hello, b" {
		t.Errorf("b heard %q", e.Text)
	}

	for name, args := range map[string][]string{
		"another label": {"-label", "green", "-key-file", both},
		"no key":        {"-label", "blue"},
		"only a key that a does not encrypt with": {"-label", "blue", "-key-file", onlyOld},
	} {
		x := launch(t, "x", append(args, "-bind", "127.0.0.1:0", "-join", a.addr, "-join-once")...)
		if status, _ := x.exit(); status != exitFailed || !strings.Contains(x.stderr.String(), "cannot join") {
			t.Errorf("%s: status %d, standard error %q", name, status, x.stderr.String())
		}
	}
}

func TestAgentKeepsTryingToJoin(t *testing.T) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(testkit.FreePort(t)))
	b := launchMember(t, "b", "-join", addr)
	a := launch(t, "a", "-bind", addr)
	a.await(patience, "joined", "b")
	b.await(patience, "joined", "a")
}

func TestAgentThatCannotBindSaysSo(t *testing.T) {
	a := launchMember(t, "a")
	x := launch(t, "x", "-bind", a.addr)
	status, _ := x.exit()
	if status != exitFailed || !strings.Contains(x.stderr.String(), "address already in use") {
		t.Errorf("status %d, standard error %q", status, x.stderr.String())
	}
}

func TestAgentStopsWhileItIsJoining(t *testing.T) {
	// Nobody answers on this socket, though it accepts connections.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	a := launchMember(t, "a", "-profile", "wan", "-join", silent.Addr().String())
	conn, err := silent.Accept() // it is joining now, and would wait 30 s
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a.signal(syscall.SIGTERM)
	if status, _ := a.exit(); status != exitOK {
		t.Errorf("status %d", status)
	}
}
