package netns

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scenario is something that befalls a cluster. run fails the test when it
// does not turn out as expected, and returns what was seen.
type scenario struct {
	name     string // of the subtest
	what     string
	expected string
	quick    bool
	hosts    int
	have     families
	run      func(t *testing.T, nw *network) (seen string)
}

// What all scenarios count on, with the agents' LAN profile.
const (
	// joinTime is for all to hear of all: joins and a few rounds of gossip.
	joinTime = 20 * time.Second

	// failTime is the longest for a verdict on a member that is gone: its turn
	// in the rounds of twenty probers, a suspicion that nobody confirms, and
	// dissemination on a busy machine. Mostly it is 5 to 8 s.
	failTime = 60 * time.Second

	// backTime is for members that lost each other to be together again:
	// they look for the lost every 30 s.
	backTime = 90 * time.Second
)

func TestScenarios(t *testing.T) {
	if skip != "" {
		t.Skip(skip)
	}
	for number, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			if *mode == modeQuick && !s.quick {
				t.Skip("not one of the quick ones")
			}
			t.Parallel()
			nw := newNetwork(t, s.hosts, s.have)
			seen := s.run(t, nw)
			if t.Failed() {
				seen = "FAILED: " + seen
			}
			t.Log(seen)
			results.add(number, outcome{fmt.Sprintf("%s (%d agents)", s.what, s.hosts), s.expected, seen})
		})
	}
}

var scenarios = []scenario{
	{
		name: "together", what: "nothing; then one leaves", expected: "all know all; all hear that it left", quick: true,
		hosts: 20, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			together := nw.gather()
			mark := nw.log.mark()
			left := nw.hosts[7]
			took := nw.goodbye(left)
			nw.none(nw.log.since(mark, "failed", nil))
			return fmt.Sprintf("together after %s; left after %s", round(together), round(took))
		},
	},
	{
		name: "loss", what: "10 % loss on every line, each way", expected: "nobody fails in 30 s; then one leaves, which all hear as that",
		hosts: 10, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			nw.impair(quality{loss: 10})
			mark := nw.log.mark()
			failed := nw.none(nw.watch(mark, 30*time.Second))
			left := nw.hosts[3]
			took := nw.goodbye(left)
			nw.none(nw.log.since(mark, "failed", nil))
			return fmt.Sprintf("%s; left after %s", failed, round(took))
		},
	},
	{
		name: "delay", what: "75 ± 25 ms on every line, so 300 ± 100 ms for a round trip", expected: "nobody fails in 30 s",
		hosts: 8, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			nw.impair(quality{delay: 75 * time.Millisecond, jitter: 25 * time.Millisecond})
			return nw.none(nw.watch(nw.log.mark(), 30*time.Second))
		},
	},
	{
		name: "slow", what: "200 ms on every line: a round trip takes longer than ProbeTimeout", expected: "nobody fails in 30 s; a newcomer is heard of",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			late := nw.hosts[5]
			nw.gather(late)
			nw.impair(quality{delay: 200 * time.Millisecond})
			mark := nw.log.mark()
			failed := nw.none(nw.watch(mark, 30*time.Second))
			late.start(late.addresses(nw.hosts[0])...)
			took := nw.know(2*joinTime, nw.hosts, nw.everybody())
			nw.none(nw.log.since(mark, "failed", nil))
			return fmt.Sprintf("%s; newcomer known after %s", failed, round(took))
		},
	},
	{
		name: "disorder", what: "every fourth packet overtakes by 40 ms, every fifth comes twice", expected: "nobody fails in 30 s; a kill is noticed, and nobody comes back from the dead",
		hosts: 8, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			nw.impair(quality{delay: 40 * time.Millisecond, jitter: 5 * time.Millisecond, reorder: 25, duplicate: 20})
			mark := nw.log.mark()
			failed := nw.none(nw.watch(mark, 30*time.Second))
			gone := nw.hosts[2]
			gone.kill()
			took := nw.lose(gone)
			mark = nw.log.mark()
			nw.watch(mark, 5*time.Second)
			if back := nw.log.since(mark, "joined", []string{gone.name()}); len(back) > 0 {
				t.Errorf("back from the dead on %s", back[0].on)
			}
			return fmt.Sprintf("%s; kill known to all after %s", failed, round(took))
		},
	},
	{
		name: "mtu", what: "MTU 1280, metadata of 500 bytes each", expected: "all know all with their metadata; nobody fails in 10 s", quick: true,
		hosts: 10, have: dualStack,
		run: func(t *testing.T, nw *network) string {
			for _, h := range nw.hosts {
				h.mtu(1280)
			}
			meta := strings.Repeat("m", 500)
			took := nw.gatherWith(func(h *host) []string { return append(h.addresses(nw.hosts[0]), "-meta", meta) })
			nw.within(joinTime, "all metadata", func() string {
				return lacking(nw.hosts, func(h *host) bool {
					for _, name := range nw.everybody() {
						if h.agent.meta[name] != meta {
							return false
						}
					}
					return true
				})
			})
			return fmt.Sprintf("together after %s; %s", round(took), nw.none(nw.watch(nw.log.mark(), 10*time.Second)))
		},
	},
	{
		name: "blackhole", what: "one line of MTU 1280 among those of 1500, what is longer vanishes; metadata of 500 bytes each",
		expected: "nobody fails in 30 s",
		hosts:    8, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			meta := strings.Repeat("m", 500)
			took := nw.gatherWith(func(h *host) []string { return append(h.addresses(nw.hosts[0]), "-meta", meta) })
			nw.hosts[4].mtu(1280)
			return fmt.Sprintf("together after %s; %s", round(took), nw.none(nw.watch(nw.log.mark(), 30*time.Second)))
		},
	},
	{
		name: "oneway", what: "n02 does not hear n01 (nft, one way, UDP and TCP)", expected: "nobody fails in 30 s: others relay",
		hosts: 5, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			nw.hosts[1].dropIn("ip saddr " + ip4(1))
			return nw.none(nw.watch(nw.log.mark(), 30*time.Second))
		},
	},
	{
		name: "deaf", what: "one hears nobody, but is heard (nft, one way)", expected: "it is found failed by all others; it convinces nobody that others failed; it comes back",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			took, back := nw.oneWay(func(deaf *host) { deaf.dropIn("meta l4proto { udp, tcp }") })
			return fmt.Sprintf("known to all after %s; no other verdict by those who hear; back after %s", round(took), round(back))
		},
	},
	{
		name: "mute", what: "one is heard by nobody, but hears (nft, the other way)", expected: "it is found failed by all others, and they alone; it comes back",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			took, back := nw.oneWay(func(mute *host) { mute.dropOut("meta l4proto { udp, tcp }") })
			return fmt.Sprintf("known to all after %s; no other verdict; back after %s", round(took), round(back))
		},
	},
	{
		name: "noudp", what: "UDP of one blocked both ways, TCP open", expected: "nobody fails in 40 s: pings over TCP", quick: true,
		hosts: 5, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			nw.hosts[2].drop("udp")
			return nw.none(nw.watch(nw.log.mark(), nw.full(40*time.Second, 20*time.Second)))
		},
	},
	{
		name: "notcp", what: "TCP of one blocked both ways, UDP open", expected: "nobody fails in 40 s, and it hears of a newcomer by gossip",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			late := nw.hosts[5]
			nw.gather(late)
			nw.hosts[2].drop("tcp")
			mark := nw.log.mark()
			failed := nw.none(nw.watch(mark, 40*time.Second))
			late.start(late.addresses(nw.hosts[0])...)
			took := nw.know(joinTime, nw.hosts, nw.everybody())
			return fmt.Sprintf("%s; newcomer known after %s", failed, round(took))
		},
	},
	{
		name: "ipv6", what: "IPv6 only; then one is killed", expected: "all know all; all others find that it failed", quick: true,
		hosts: 6, have: onlyIPv6,
		run: func(t *testing.T, nw *network) string {
			took := nw.gatherWith(func(h *host) []string { return h.addresses6(nw.hosts[0]) })
			gone := nw.hosts[3]
			gone.kill()
			return fmt.Sprintf("together after %s; kill known to all after %s", round(took), round(nw.lose(gone)))
		},
	},
	{
		name: "dual", what: "dual stack, all listen on [::], the odd ones advertise IPv4 and the even ones IPv6", expected: "all know all; nobody fails in 20 s; all others find that a killed one failed",
		hosts: 8, have: dualStack,
		run: func(t *testing.T, nw *network) string {
			took := nw.gatherWith(func(h *host) []string {
				flags := []string{"-bind", "[::]:7946", "-advertise", ip4(h.number)}
				join := "[" + ip6(1) + "]:7946"
				if h.number%2 == 0 {
					flags[3], join = "["+ip6(h.number)+"]", ip4(1)+":7946"
				}
				if h.number > 1 {
					flags = append(flags, "-join", join)
				}
				return flags
			})
			failed := nw.none(nw.watch(nw.log.mark(), 20*time.Second))
			gone := nw.hosts[3]
			gone.kill()
			return fmt.Sprintf("together after %s; %s; kill known to all after %s", round(took), failed, round(nw.lose(gone)))
		},
	},
	{
		name: "moved", what: "an agent leaves, its host gets another address, it starts anew there", expected: "all know it at the new address", quick: true,
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			moved := nw.hosts[3]
			nw.goodbye(moved)
			return "known there after " + moved.renumber(joinTime)
		},
	},
	{
		name: "renumber", what: "a host gets another address, its agent is killed and starts anew there at once",
		expected: "all know it at the new address: the old one does not answer",
		hosts:    6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			moved := nw.hosts[3]
			moved.kill()
			return "known there after " + moved.renumber(failTime)
		},
	},
	{
		name: "reclaim", what: "the same with -reclaim 1s on all", expected: "all know it at the new address: the old one does not answer",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gatherWith(func(h *host) []string { return append(h.addresses(nw.hosts[0]), "-reclaim", "1s") })
			moved := nw.hosts[3]
			moved.kill()
			return "known there after " + moved.renumber(failTime, "-reclaim", "1s")
		},
	},
	{
		name: "unplugged", what: "the address of a host is taken away under its agent, and given back", expected: "it is found failed by all others and takes nobody with it; it comes back",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			lost := nw.hosts[3]
			mark := nw.log.mark()
			lost.run("ip addr flush dev eth0")
			took := nw.lose(lost)
			nw.none(nw.log.since(mark, "failed", nw.others(lost), lost))
			lost.run("ip addr add " + ip4(lost.number) + "/16 dev eth0")
			back := nw.know(backTime, nw.hosts, nw.everybody())
			return fmt.Sprintf("failed after %s; back after %s", round(took), round(back))
		},
	},
	{
		name: "blink", what: "SIGSTOP for 3 s", expected: "nobody fails", quick: true,
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			stopped, mark := nw.hosts[3], nw.log.mark()
			stopped.signal(syscall.SIGSTOP)
			nw.watch(mark, 3*time.Second)
			stopped.signal(syscall.SIGCONT)
			return nw.none(nw.watch(mark, 12*time.Second))
		},
	},
	{
		name: "sleep", what: "SIGSTOP for longer than any suspicion", expected: "it is found failed by all others; when it goes on it takes nobody with it and comes back",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			stopped, mark := nw.hosts[3], nw.log.mark()
			stopped.signal(syscall.SIGSTOP)
			took := nw.lose(stopped)
			nw.watch(mark, 10*time.Second)
			stopped.signal(syscall.SIGCONT)
			back := nw.know(backTime, nw.hosts, nw.everybody())
			nw.watch(mark, 10*time.Second)
			nw.none(nw.log.since(mark, "failed", nw.others(stopped)))
			return fmt.Sprintf("failed after %s; back after %s; no other verdict", round(took), round(back))
		},
	},
	{
		name: "kill", what: "SIGKILL of two of twenty", expected: "all others find that they failed, and nobody else", quick: true,
		hosts: 20, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			mark := nw.log.mark()
			a, b := nw.hosts[3], nw.hosts[11]
			a.kill()
			b.kill()
			took := nw.lose(a, b)
			nw.none(nw.log.since(mark, "failed", nw.others(a, b)))
			return fmt.Sprintf("known to all after %s; no other verdict", round(took))
		},
	},
	{
		name: "split", what: "cut into 3 and 3 until each half has given up the other", expected: "both halves find each other again unaided",
		hosts: 6, have: onlyIPv4,
		run: func(t *testing.T, nw *network) string {
			nw.gather()
			a, b := nw.hosts[:3], nw.hosts[3:]
			nw.split(3)
			took := nw.know(failTime, a, nw.others(b...))
			took += nw.know(failTime, b, nw.others(a...))
			nw.heal()
			return fmt.Sprintf("given up after %s; back after %s", round(took), round(nw.know(backTime, nw.hosts, nw.everybody())))
		},
	},
}

// addresses are the flags of an agent on the host's address that joins another.
func (h *host) addresses(join *host) []string {
	flags := []string{"-bind", ip4(h.number) + ":7946"}
	if join != h {
		flags = append(flags, "-join", ip4(join.number)+":7946")
	}
	return flags
}

func (h *host) addresses6(join *host) []string {
	flags := []string{"-bind", "[" + ip6(h.number) + "]:7946"}
	if join != h {
		flags = append(flags, "-join", "["+ip6(join.number)+"]:7946")
	}
	return flags
}

// gather starts an agent on every host but those in but, and waits until all
// know each other.
func (nw *network) gather(but ...*host) time.Duration {
	nw.t.Helper()
	return nw.gatherWith(func(h *host) []string { return h.addresses(nw.hosts[0]) }, but...)
}

func (nw *network) gatherWith(flags func(*host) []string, but ...*host) time.Duration {
	nw.t.Helper()
	began := time.Now()
	for _, h := range nw.except(but...) {
		h.start(flags(h)...)
		if h.number == 1 { // somebody to join
			nw.know(joinTime, nw.hosts[:1], nw.others(nw.hosts[1:]...))
		}
	}
	nw.know(joinTime, nw.except(but...), nw.others(but...))
	return time.Since(began)
}

// impair makes the lines of all hosts bad.
func (nw *network) impair(q quality) {
	nw.t.Helper()
	for _, h := range nw.hosts {
		h.impair(q)
	}
}

// renumber gives the host another address and starts its agent there, until
// all know it.
func (h *host) renumber(timeout time.Duration, flags ...string) string {
	h.net.t.Helper()
	const number = 100
	h.run("ip addr flush dev eth0")
	h.run("ip addr add " + ip4(number) + "/16 dev eth0")
	began := time.Now()
	h.start(append(flags, "-bind", ip4(number)+":7946", "-join", ip4(1)+":7946")...)
	h.net.within(timeout, "all know the new address", func() string {
		return lacking(h.net.hosts, func(o *host) bool { return o.agent.knows[h.name()] == ip4(number)+":7946" })
	})
	return round(time.Since(began)).String()
}

// oneWay cuts one host off in one direction until all others have given it up
// and for 20 s more, in which nobody else may be, and opens the way again. It
// returns how long the others took, and how long all took to agree afterwards.
func (nw *network) oneWay(cut func(*host)) (took, back time.Duration) {
	nw.t.Helper()
	nw.gather()
	h := nw.hosts[4]
	mark := nw.log.mark()
	cut(h)
	took = nw.lose(h)
	nw.watch(mark, 20*time.Second)
	nw.none(nw.log.since(mark, "failed", nw.others(h), h))
	h.pass()
	return took, nw.know(backTime, nw.hosts, nw.everybody())
}

// lose waits until all other hosts' agents have given these up.
func (nw *network) lose(gone ...*host) time.Duration {
	nw.t.Helper()
	return nw.within(failTime, "all find that it failed", func() string {
		return lacking(nw.except(gone...), func(h *host) bool {
			for _, g := range gone {
				if h.agent.knows[g.name()] != "" {
					return false
				}
			}
			return true
		})
	})
}

// goodbye has an agent leave until all others' agents have noticed.
func (nw *network) goodbye(gone *host) time.Duration {
	nw.t.Helper()
	began := time.Now()
	gone.leave()
	nw.within(joinTime, "all hear the goodbye", func() string {
		return lacking(nw.except(gone), func(h *host) bool { return h.agent.knows[gone.name()] == "" })
	})
	return time.Since(began)
}

// none fails the test unless there are no such events.
func (nw *network) none(failed []event) string {
	nw.t.Helper()
	if len(failed) == 0 {
		return "nobody failed"
	}
	for _, e := range failed {
		nw.t.Errorf("%s: %s %s", e.on, e.Event, e.Name)
	}
	return fmt.Sprintf("%d verdicts", len(failed))
}

// full is how long to watch in the mode full, and otherwise the shorter time.
func (nw *network) full(long, short time.Duration) time.Duration {
	if *mode == modeFull {
		return long
	}
	return short
}

// lacking names the first host for which a condition does not hold.
func lacking(hosts []*host, holds func(*host) bool) string {
	for _, h := range hosts {
		if !holds(h) {
			return h.name() + " does not"
		}
	}
	return ""
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
