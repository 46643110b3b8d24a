package netns

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// agentVar is the environment variable that has the agent's binary. That it is
// set says that this process is in namespaces of its own.
const agentVar = "MEMBERLIST_NETNS_AGENT"

// skip is why nothing can run here, or empty.
var skip string

func TestMain(m *testing.M) {
	flag.Parse()
	switch {
	case os.Getenv(agentVar) != "":
		skip = missing()
		status := run(m)
		results.print(os.Stdout)
		os.Exit(status)
	case *mode == modeOff:
		skip = "run by `make netns`"
		os.Exit(run(m))
	case *mode != modeQuick && *mode != modeFull:
		fmt.Fprintf(os.Stderr, "-netns=%s: must be off, quick or full\n", *mode)
		os.Exit(2)
	}
	status, err := inNamespaces()
	if err != nil {
		skip = err.Error()
		status = run(m)
	}
	os.Exit(status)
}

// run runs the tests and says loudly when they can only be skipped.
func run(m *testing.M) int {
	if skip != "" && *mode != modeOff {
		fmt.Println("netns: SKIPPED:", skip)
	}
	return m.Run()
}

// inNamespaces builds the agent and runs this program again, in new network
// and process namespaces. An error says that this is not permitted.
func inNamespaces() (status int, err error) {
	dir, err := os.MkdirTemp("", "netns")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	agent := filepath.Join(dir, "memberlist")
	build := exec.Command("go", "build", "-o", agent, "./cmd/memberlist")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the agent: %v\n%s", err, out)
		return 1, nil
	}

	// Whoever is not root may be root in a user namespace.
	flags := uintptr(syscall.CLONE_NEWNET | syscall.CLONE_NEWPID)
	child, rootErr := runAgain(agent, flags)
	if rootErr != nil {
		var userErr error
		if child, userErr = runAgain(agent, flags|syscall.CLONE_NEWUSER); userErr != nil {
			return 0, fmt.Errorf("no new namespaces: %v; with a user namespace: %v", rootErr, userErr)
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		<-signals
		child.Process.Kill() // and the kernel kills all agents
	}()
	var exit *exec.ExitError
	if err := child.Wait(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
	}
	if child.ProcessState == nil || child.ProcessState.ExitCode() < 0 {
		return 1, nil
	}
	return child.ProcessState.ExitCode(), nil
}

// runAgain starts this program in new namespaces. It dies with this process,
// even when that is killed: for this the thread must last.
func runAgain(agent string, namespaces uintptr) (*exec.Cmd, error) {
	runtime.LockOSThread() // TestMain is on the main thread or stays on this one
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.Command(self, os.Args[1:]...)
	child.Env = append(os.Environ(), agentVar+"="+agent)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if namespaces&syscall.CLONE_NEWUSER != 0 {
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return child, child.Start()
}

// missing tries everything that the scenarios need, in a namespace that is
// thrown away, and returns what fails.
func missing() string {
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Sprintf("%s is not installed (Debian: apt-get install iproute2 nftables)", tool)
		}
	}
	ns, err := newNamespace()
	if err != nil {
		return "a second network namespace: " + err.Error()
	}
	defer ns.close()
	for _, line := range []string{
		"ip link set lo up",
		"ip link add br0 type bridge",
		"ip link add left type veth peer name right",
		"ip addr add 198.18.0.1/16 dev left",
		"nft add table inet fence",
		"nft add chain inet fence input { type filter hook input priority 0 ; }",
		"nft add rule inet fence input ip saddr 198.18.0.2 drop",
		"nft add table netdev right",
		"nft add chain netdev right ingress { type filter hook ingress device right priority 0 ; }",
	} {
		if _, err := ns.run(line); err != nil {
			return err.Error()
		}
	}
	// IPv6 and netem are asked for where they are needed.
	if _, err = ns.run("tc qdisc add dev left root netem delay 1ms"); err != nil {
		fmt.Println("netns: loss, delay, reordering and duplication are made by the tests' own wire, as there is no netem here:", err)
	}
	netem = err == nil
	return ""
}

// command is a command line without quoting.
func command(line string) *exec.Cmd {
	words := strings.Fields(line)
	return exec.Command(words[0], words[1:]...)
}

// output runs cmd; its error includes what the command said.
func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), nil
}
