package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// stopAgent runs an agent that has one peer, on a network in memory and a fake
// clock, and sends it a signal at each of those times. mute keeps it from
// gossiping and cuts it off in time, so that it cannot get its goodbye out.
func stopAgent(t *testing.T, mute bool, signals ...time.Duration) (status int, took time.Duration, events, errOut string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := memberlisttest.New(memberlisttest.Options{})
		defer network.Close()
		peerConf := memberlist.DefaultLocalConfig()
		peerConf.Name, peerConf.Transport, peerConf.LogOutput = "peer", network.Transport("peer"), io.Discard
		peer, err := memberlist.Create(peerConf)
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Shutdown()

		o, conf, err := parseAgent(t, "-name", "agent", "-profile", "local", "-join", peer.LocalNode().Address(), "-log", "off")
		if err != nil {
			t.Fatal(err)
		}
		conf.Transport = network.Transport("agent")
		if mute {
			conf.GossipInterval, conf.ProbeInterval = 0, 0
			time.AfterFunc(9*time.Second, func() { network.Partition([]string{"agent"}, []string{"peer"}) })
		}
		start := time.Now()
		stop := make(chan os.Signal, len(signals))
		for _, at := range signals {
			time.AfterFunc(at, func() { stop <- syscall.SIGTERM })
		}
		var out, errs bytes.Buffer
		status = runAgent(o, conf, streams{in: strings.NewReader(""), out: &out, err: &errs}, stop)
		took = time.Since(start)
		events, errOut = out.String(), errs.String()
	})
	return status, took, events, errOut
}

func TestAgentLeavesOnASignal(t *testing.T) {
	status, took, events, errOut := stopAgent(t, false, 10*time.Second)
	if status != exitOK || errOut != "" || took > 12*time.Second {
		t.Errorf("status %d after %v, standard error %q", status, took, errOut)
	}
	for _, want := range []string{"started   agent", "joined    peer", "leaving", "left      agent", "stopped"} {
		if !strings.Contains(events, want) {
			t.Errorf("%q is not among the events:\n%s", want, events)
		}
	}
}

func TestAgentTakesAnEchoForOneSignal(t *testing.T) {
	if status, _, _, errOut := stopAgent(t, false, 10*time.Second, 10*time.Second+time.Millisecond); status != exitOK || errOut != "" {
		t.Errorf("status %d, standard error %q", status, errOut)
	}
}

func TestAgentGivesUpOnItsGoodbye(t *testing.T) {
	s := time.Second
	// After -leave-timeout.
	status, took, events, errOut := stopAgent(t, true, 10*s)
	if status != exitFailed || took.Round(s) != 15*s || !strings.Contains(errOut, "timeout waiting for leave broadcast") {
		t.Errorf("without a second signal: status %d after %v, standard error %q", status, took, errOut)
	}
	if strings.Contains(events, "stopped") {
		t.Error("claims to have stopped in good order")
	}
	// When somebody insists.
	status, took, _, errOut = stopAgent(t, true, 10*s, 12*s)
	if status != exitFailed || took.Round(s) != 12*s || !strings.Contains(errOut, "second signal") {
		t.Errorf("with a second signal: status %d after %v, standard error %q", status, took, errOut)
	}
}
