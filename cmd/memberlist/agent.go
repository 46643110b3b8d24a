package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/swimguard/memberlist"
)

// stdinLineMax is how long a line on standard input may be to be refused with
// an explanation; a longer one ends the reading.
const stdinLineMax = 1 << 20

func agentCommand(args []string, std streams) int {
	var o agentOptions
	if status, ok := parseFlags(o.flags(), args, std); !ok {
		return status
	}
	conf, err := o.config(std.err)
	if err != nil {
		fmt.Fprintf(std.err, "memberlist agent: %v\nSee: memberlist help agent\n", err)
		return exitUsage
	}
	// Two, so that an impatient second signal is not lost while leaving.
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	return runAgent(&o, conf, std, stop)
}

// runAgent runs one member until something arrives on stop.
func runAgent(o *agentOptions, conf *memberlist.Config, std streams, stop <-chan os.Signal) int {
	events := &printer{self: conf.Name, json: o.events == "json", now: time.Now, w: std.out}
	talk := newChat(conf.Name, []byte(o.meta), events.heard)
	conf.Delegate, conf.Events, conf.Conflict = talk, events, events

	list, err := memberlist.Create(conf)
	if err != nil {
		fmt.Fprintf(std.err, "memberlist agent: %v\n", err)
		return exitFailed
	}
	talk.attach(list)

	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup // the first join, which ends with ctx
	defer loops.Wait()
	defer list.Shutdown()
	defer cancel()

	failed := make(chan error, 1)
	loops.Go(func() {
		err := join(ctx, list, o.join, conf.Slog)
		switch {
		case err == nil:
		case o.joinOnce:
			failed <- err
		default:
			conf.Slog.Warn("alone for now; joining goes on in the background")
		}
	})
	if o.stdin {
		// Nobody waits for this one: a read from a terminal cannot be
		// interrupted. It ends with the input or the process.
		go sayLines(std.in, talk, conf.Slog)
	}

	select {
	case err := <-failed:
		fmt.Fprintf(std.err, "memberlist agent: cannot join: %v\n", err)
		return exitFailed
	case <-stop:
	}
	return leave(list, o.leaveTimeout, events, std, stop)
}

// join contacts the addresses once. The Memberlist itself goes on trying those
// that it has not reached, and all of them when it is ever left alone (see
// HealInterval), so nothing is lost by starting before the others.
func join(ctx context.Context, list *memberlist.Memberlist, addrs []string, log *slog.Logger) error {
	if len(addrs) == 0 {
		return nil
	}
	reached, err := list.JoinContext(ctx, addrs)
	if err == nil {
		log.Info("joined", "addresses", reached, "members", list.NumMembers())
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	var all *memberlist.JoinError
	if errors.As(err, &all) {
		for _, f := range all.Failures {
			log.Warn("cannot join", "address", f.Address, "err", f.Err)
		}
	} else {
		log.Warn("cannot join", "err", err)
	}
	return err
}

// signalEcho is how long after a signal another one is taken for its echo: a
// terminal and whatever runs this process may both pass on one Ctrl-C.
const signalEcho = time.Second

// leave says goodbye. Another signal cuts it short.
func leave(list *memberlist.Memberlist, timeout time.Duration, events *printer, std streams, stop <-chan os.Signal) int {
	events.print(event{Event: "leaving"})
	left := make(chan error, 1)
	go func() { left <- list.Leave(timeout) }() // ends within timeout, or with Shutdown
	var err error
	for began, done := time.Now(), false; !done; {
		select {
		case err = <-left:
			done = true
		case <-stop:
			if time.Since(began) > signalEcho {
				fmt.Fprintln(std.err, "memberlist agent: second signal; others will report this member as failed")
				return exitFailed
			}
		}
	}
	if err != nil {
		fmt.Fprintf(std.err, "memberlist agent: leaving: %v; others may report this member as failed\n", err)
		return exitFailed
	}
	if err := list.Shutdown(); err != nil {
		fmt.Fprintf(std.err, "memberlist agent: shutdown: %v\n", err)
		return exitFailed
	}
	events.print(event{Event: "stopped"})
	return exitOK
}

// sayLines sends every line of r to all members.
func sayLines(r io.Reader, talk *chat, log *slog.Logger) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, stdinLineMax)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := talk.say(lines.Text()); err != nil {
			log.Warn("line not sent", "err", err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Warn("standard input is no longer read", "err", err)
	}
}
