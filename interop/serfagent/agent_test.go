package serfagent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/serf/client"
	"github.com/swimguard/memberlist/internal/testkit"
)

// patience is how long a test waits for what must come. It only ever runs out
// in a test that fails.
const patience = 90 * time.Second

// serfCommand builds Serf's command, once for all tests.
var serfCommand = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "serf")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", path, "github.com/hashicorp/serf/cmd/serf").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// binaries is a folder for what is built.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if binaries, err = os.MkdirTemp("", "serfagent"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(binaries)
		return m.Run()
	}())
}

// agent is a Serf agent, a process of its own.
type agent struct {
	*client.RPCClient
	t       *testing.T
	name    string
	address string // where it gossips
	rpc     string
	command string
	process *exec.Cmd
	ended   chan struct{} // closed when the process has
}

// startAgent starts an agent and waits until it takes commands.
func startAgent(t *testing.T, name string, tags map[string]string) *agent {
	t.Helper()
	command, err := serfCommand()
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{
		t: t, name: name, command: command, ended: make(chan struct{}),
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(testkit.FreePort(t))),
		rpc:     net.JoinHostPort("127.0.0.1", strconv.Itoa(testkit.FreePort(t))),
	}
	args := []string{"agent", "-node=" + name, "-bind=" + a.address, "-rpc-addr=" + a.rpc, "-profile=local", "-log-level=debug"}
	for key, value := range tags {
		args = append(args, "-tag", key+"="+value)
	}
	a.process = exec.Command(command, args...)
	a.process.Stdout, a.process.Stderr = t.Output(), t.Output()
	if err := a.process.Start(); err != nil {
		t.Fatal(err)
	}
	go a.wait()
	t.Cleanup(a.kill)
	a.await("its RPC port", func() (any, bool) {
		select {
		case <-a.ended:
			t.Fatalf("agent %s has ended at once: %v", name, a.process.ProcessState)
		default:
		}
		c, err := client.NewRPCClient(a.rpc)
		if err != nil {
			return err, false
		}
		a.RPCClient = c
		t.Cleanup(func() { c.Close() })
		return nil, true
	})
	return a
}

// wait ends with the process; kill waits for it.
func (a *agent) wait() {
	a.process.Wait()
	close(a.ended)
}

// kill ends the process without giving it a chance to say anything.
func (a *agent) kill() {
	a.process.Process.Kill()
	<-a.ended
}

// serf runs a command of Serf's against the agent.
func (a *agent) serf(verb string, args ...string) []byte {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, a.command, slices.Concat([]string{verb, "-rpc-addr=" + a.rpc}, args)...).CombinedOutput()
	if err != nil {
		a.t.Fatalf("serf %s %q: %v\n%s", verb, args, err, out)
	}
	return out
}

// shown is what `serf members` shows of a member.
type shown struct {
	Name, Addr, Status string
	Tags               map[string]string
}

// awaitShown waits until `serf members` shows exactly these.
func (a *agent) awaitShown(want ...shown) {
	a.t.Helper()
	byName := func(x, y shown) int { return cmp.Compare(x.Name, y.Name) }
	slices.SortFunc(want, byName)
	a.await(fmt.Sprintf("serf members to show %+v", want), func() (any, bool) {
		var out struct{ Members []shown }
		text := a.serf("members", "-format=json")
		if err := json.Unmarshal(text, &out); err != nil {
			a.t.Fatalf("serf members: %v\n%s", err, text)
		}
		slices.SortFunc(out.Members, byName)
		return out.Members, slices.EqualFunc(out.Members, want, func(x, y shown) bool {
			return x.Name == y.Name && x.Addr == y.Addr && x.Status == y.Status && maps.Equal(x.Tags, y.Tags)
		})
	})
}

// await asks again and again until the answer is yes.
func (a *agent) await(what string, ask func() (got any, ok bool)) {
	a.t.Helper()
	testkit.Await(a.t, a.name+": "+what, 100*time.Millisecond, patience, ask)
}
