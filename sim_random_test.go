package memberlist

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/script"
	"github.com/swimguard/memberlist/internal/simnet"
)

var (
	simSeed    = flag.Uint64("sim.seed", 0, "run the random faults of this seed; with -sim.minutes, begin with it")
	simMinutes = flag.Float64("sim.minutes", 0, "search random faults for so long")
	simRuns    = flag.Uint64("sim.runs", 0, "try so many seeds at most; 0: all that -sim.minutes has time for, without it one from -sim.seed or a few")
	simVerbose = flag.Bool("sim.v", false, "print every event of the run of -sim.seed")
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// randomSimCase makes a cluster and its misfortunes out of a seed.
func randomSimCase(seed uint64) *simCase {
	rng := simnet.NewRand(seed, 2<<60)
	sc := &simCase{
		seed: seed, nodes: 2 + rng.IntN(7), ends: 30*time.Second + time.Duration(rng.IntN(90))*time.Second,
		params: map[string]string{},
	}
	if rng.IntN(4) == 0 {
		sc.nodes = 2 + rng.IntN(22)
	}
	if rng.IntN(3) == 0 {
		sc.loss = float64(rng.IntN(30)) / 100
	}
	pick := func(name string, values ...string) {
		if v := values[rng.IntN(len(values))]; v != "" {
			sc.params[name] = v
		}
	}
	pick("mult", "", "", "2", "3", "6")
	pick("maxmult", "", "", "1", "2")
	pick("probe", "", "", "200ms", "500ms", "2s")
	pick("timeout", "", "", "100ms", "200ms", "1s")
	pick("gossip", "", "", "50ms", "500ms")
	pick("fanout", "", "", "1", "4")
	pick("retransmit", "", "", "1", "2")
	pick("checks", "", "", "0", "1")
	pick("todead", "", "5s", "15s")
	pick("pushpull", "", "5s", "10s")
	pick("reclaim", "", "", "1ms", "10s")
	pick("tolerance", "", "", "1s", "10s")
	pick("awareness", "", "", "1", "3")
	pick("streampings", "", "", "false")
	pick("usermessages", "", "", "true")
	pick("off", "", "", fmt.Sprint(rng.IntN(mechAll+1)))
	pick("confirm", "", "", "", "true")
	pick("heal", "0s", "0s", "0s", "5s", "20s", "")
	pick("healfor", "", "1m")
	for range 1 + rng.IntN(12) {
		sc.faults = append(sc.faults, randomSimFault(rng, sc))
	}
	slices.SortStableFunc(sc.faults, func(a, b simFault) int { return int(a.at - b.at) })
	return sc
}

func randomSimFault(rng *rand.Rand, sc *simCase) simFault {
	verbs := sortedKeys(simVerbs)
	f := simFault{at: time.Duration(rng.Int64N(int64(sc.ends))).Truncate(time.Millisecond), verb: verbs[rng.IntN(len(verbs))]}
	until := func(longest time.Duration) time.Duration {
		return time.Duration(1+rng.Int64N(int64(min(longest, sc.ends-f.at)))).Truncate(time.Millisecond) + time.Millisecond
	}
	count := simVerbs[f.verb]
	if count < 0 {
		count = 1 + rng.IntN(sc.nodes-1)
	}
	f.nodes = append(f.nodes, rng.Perm(sc.nodes)[:count]...)
	switch f.verb {
	case "crash", "leave":
		if rng.IntN(4) > 0 {
			f.lasts = until(40 * time.Second)
		}
		if rng.IntN(3) == 0 {
			f.word = "moved"
		}
	case "pause":
		f.lasts = until(40 * time.Second)
		if rng.IntN(2) == 0 {
			f.word = "stopped"
		}
	case "slow":
		f.by, f.lasts = time.Duration(rng.IntN(4000))*time.Millisecond, until(time.Minute)
	case "clock":
		f.by = time.Duration(rng.IntN(60000)-20000) * time.Millisecond
	case "mute":
		f.lasts = until(20 * time.Second)
	case "starve":
		f.share, f.lasts = float64(200+rng.IntN(5000)), until(time.Minute)
	case "cut", "partition":
		f.lasts = until(time.Minute)
	case "loss":
		f.share, f.lasts = float64(rng.IntN(100))/100, until(30*time.Second)
	case "duplicate", "reorder":
		f.share, f.lasts = float64(rng.IntN(100))/100, until(time.Minute)
	case "latency":
		f.by, f.lasts = time.Duration(rng.IntN(2000))*time.Millisecond, until(30*time.Second)
	case "accuse":
		if rng.IntN(2) == 0 {
			f.word = "dead"
		}
		f.share = float64([]uint32{0, 0, 1, 5, 1 << 31, math.MaxUint32}[rng.IntN(6)])
	case "meta":
		f.share = float64(rng.IntN(MetaMaxSize + 1))
	}
	return f
}

// simAgain is how often the search runs a case a second time, to see that the
// same seed gives the same trace: once in so many.
const simAgain = 16

// TestSimRandom looks for faults that break a rule, with as many clusters at a
// time as there are processors. `make sim` runs it for long; a failure prints
// what is needed to repeat it.
func TestSimRandom(t *testing.T) {
	first, runs := max(*simSeed, 1), uint64(25)
	var until time.Time
	switch {
	case *simMinutes > 0:
		runs, until = math.MaxUint64, time.Now().Add(time.Duration(*simMinutes*float64(time.Minute)))
	case *simSeed != 0:
		runs = 1
	case testing.Short():
		runs = 10
	}
	if *simRuns > 0 {
		runs = *simRuns
	}
	start := time.Now()
	s := simSearch{next: first, fail: func(sc *simCase, r simResult) { reportSimFailure(t, sc, r) }}
	s.more = func() bool {
		return s.next-first < runs && (until.IsZero() || time.Now().Before(until))
	}
	if *simVerbose {
		s.trace = func(tr *simTrace) { t.Log("\n" + strings.Join(tr.tail(), "\n")) }
	}
	s.run(runtime.GOMAXPROCS(0))
	t.Logf("%d runs, seeds %d to %d, %d of them twice: %v of cluster life, %d events in %.1f s, %d false deaths; components agreed within %v; %d clusters had fallen apart and agreed within %v of joining",
		s.next-first, first, s.next-1, s.twice, s.total.virtual.Round(time.Second), s.total.events, time.Since(start).Seconds(),
		s.total.deaths, s.total.healed, s.total.components, s.total.joined)
}

// simSearch runs the cases of one seed after the other.
type simSearch struct {
	more  func() bool                    // whether next should be run; mu is held
	fail  func(sc *simCase, r simResult) // is told of failures
	trace func(trace *simTrace)          // nil: no trace is kept

	mu       sync.Mutex
	next     uint64 // the first seed not begun
	total    simResult
	twice    int
	failures int
}

// run runs cases, so many at a time, until there are no more or three have failed.
func (s *simSearch) run(workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(s.work)
	}
	all.Wait()
}

func (s *simSearch) work() {
	for {
		s.mu.Lock()
		if s.failures >= 3 || !s.more() {
			s.mu.Unlock()
			return
		}
		seed := s.next
		s.next++
		s.mu.Unlock()

		sc := randomSimCase(seed)
		var trace *simTrace
		if s.trace != nil {
			trace = &simTrace{keep: 1 << 20}
		}
		r := sc.run(trace)
		if s.trace != nil {
			s.trace(trace)
		}
		again := seed%simAgain == 0
		if again && r.err == nil {
			if r2 := sc.run(nil); r2.hash != r.hash || r2.events != r.events {
				r.rule, r.err = "twice", fmt.Errorf("two runs differ: traces %x and %x, %d and %d events", r.hash, r2.hash, r.events, r2.events)
			}
		}
		s.done(sc, r, again)
	}
}

// done adds up what came of a case.
func (s *simSearch) done(sc *simCase, r simResult, again bool) {
	s.mu.Lock()
	s.total.events += r.events
	s.total.virtual += r.virtual
	s.total.deaths += r.deaths
	if r.components > 1 {
		s.total.components++
	}
	s.total.healed = max(s.total.healed, r.healed)
	s.total.joined = max(s.total.joined, r.joined)
	if again {
		s.twice++
	}
	if r.err != nil {
		s.failures++
	}
	s.mu.Unlock()
	if r.err != nil {
		s.fail(sc, r)
	}
}

// reportSimFailure prints a failing case, the smallest found that fails in the
// same way, and the end of its trace.
func reportSimFailure(t *testing.T, sc *simCase, r simResult) {
	t.Helper()
	small := sc
	if r.rule != "twice" { // of that, leaving out faults shows nothing
		small = sc.minimise(func(c *simCase) bool { again := c.run(nil); return again.err != nil && again.rule == r.rule })
	}
	trace := &simTrace{keep: 60}
	smallErr := small.run(trace).err
	t.Errorf("seed %d: %v\n\nafter minimising: %v\n%s\nThis is the case; with an empty line before and \"----\" after it, it is a script for testdata/sim:\n\n%v\n\nRepeat the original with: go test -run TestSimRandom -sim.seed=%d",
		sc.seed, r.err, smallErr, strings.Join(trace.tail(), "\n"), small, sc.seed)
}

// minimise leaves out faults, and then nodes, loss and settings, as long as
// the case still fails.
func (sc *simCase) minimise(fails func(*simCase) bool) *simCase {
	best := *sc
	try := func(change func(c *simCase)) bool {
		c := best
		c.faults, c.params = slices.Clone(best.faults), maps.Clone(best.params)
		change(&c)
		if !fails(&c) {
			return false
		}
		best = c
		return true
	}
	for again := true; again; {
		again = false
		for size := max(1, len(best.faults)/2); size >= 1; size /= 2 {
			for i := 0; i+size <= len(best.faults); {
				if try(func(c *simCase) { c.faults = slices.Delete(c.faults, i, i+size) }) {
					again = true
				} else {
					i += size
				}
			}
		}
		for _, name := range sortedKeys(best.params) {
			again = try(func(c *simCase) { delete(c.params, name) }) || again
		}
		if best.loss > 0 {
			again = try(func(c *simCase) { c.loss = 0 }) || again
		}
		for best.nodes > 2 && !slices.ContainsFunc(best.faults, func(f simFault) bool { return slices.Contains(f.nodes, best.nodes-1) }) {
			if !try(func(c *simCase) { c.nodes-- }) {
				break
			}
			again = true
		}
	}
	return &best
}

// TestSimMinimise shows what minimising does with a case that fails because of
// two faults among many.
func TestSimMinimise(t *testing.T) {
	sc := randomSimCase(11)
	for range 20 {
		sc.faults = append(sc.faults, randomSimFault(simnet.NewRand(uint64(len(sc.faults)), 9), sc))
	}
	first, second := sc.faults[3].String(), sc.faults[len(sc.faults)-2].String()
	small := sc.minimise(func(c *simCase) bool {
		text := c.String()
		return strings.Contains(text, first) && strings.Contains(text, second)
	})
	if len(small.faults) != 2 || len(small.params) != 0 || small.loss != 0 {
		t.Errorf("minimised to\n%v\nbut only these matter:\n%s\n%s", small, first, second)
	}
}

// TestSimScripts runs the cases in testdata/sim: what the random search has
// found, and situations worth keeping. Each runs twice and must give the same
// trace bit for bit.
func TestSimScripts(t *testing.T) {
	script.Walk(t, "testdata/sim/*.txt", func(t *testing.T) func(script.Command) string {
		return func(cmd script.Command) string {
			if cmd.Name != "cluster" {
				t.Fatalf("%s: unknown command %s", cmd.Pos, cmd.Name)
			}
			sc, err := parseSimCase(cmd.Named, cmd.Input)
			if err != nil {
				t.Fatalf("%s: %v", cmd.Pos, err)
			}
			r := sc.run(nil)
			if again := sc.run(nil); again.hash != r.hash || again.events != r.events {
				t.Errorf("%s: two runs of the same seed differ: %x and %x", cmd.Pos, r.hash, again.hash)
			}
			if r.err != nil {
				return r.err.Error()
			}
			deaths := fmt.Sprint(r.deaths)
			if r.deaths >= 10 { // how many exactly changes with every change of the core
				deaths = "many"
			}
			return fmt.Sprintf("all agree; components: %d; false deaths: %s", r.components, deaths)
		}
	})
}
