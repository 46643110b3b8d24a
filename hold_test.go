package memberlist

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

func TestHoldsGrowAndAreBounded(t *testing.T) {
	s, _ := loneCore(nil)
	for _, tt := range []struct {
		penalty float64
		want    time.Duration
	}{
		{0, 0}, {1, 0}, {2, 0}, {2.2, 0}, {2.3, 30 * time.Second}, {3, 30 * time.Second}, {4, time.Minute}, {5, 2 * time.Minute},
		{7, 8 * time.Minute}, {8, 10 * time.Minute}, {100, 10 * time.Minute}, {1e9, 10 * time.Minute},
	} {
		if got := s.flapHoldFor(tt.penalty); got != tt.want {
			t.Errorf("penalty %v: held for %v, want %v", tt.penalty, got, tt.want)
		}
	}
}

func TestPenaltyDecays(t *testing.T) {
	s, now := loneCore(nil)
	s.died(now, "b")
	s.died(now.Add(flapHalfLife), "b")
	if got := s.flaps["b"].now(now.Add(2 * flapHalfLife)); got != 0.75 {
		t.Errorf("penalty %v, want 0.75", got)
	}
}

// A node that is cut off sees everybody die. That is not held against them.
func TestMassDeathsAreNoFlapping(t *testing.T) {
	s, now := loneCore(nil)
	for i := range 40 {
		s.table.insert(&nodeRecord{Node: Node{Name: fmt.Sprint(i)}}, 1, now, s.rng)
	}
	for range 3 {
		for i := range 40 {
			s.died(now, fmt.Sprint(i))
		}
		now = now.Add(flapTogether)
	}
	if want := 41 / flapShare; len(s.flaps) != want {
		t.Errorf("%d names have a penalty, want %d", len(s.flaps), want)
	}
}

// One that dies again and again is not many that die together, however quickly
// it does.
func TestOneThatFlapsQuicklyIsNoMassDeath(t *testing.T) {
	s, now := loneCore(nil)
	for range 5 {
		s.died(now, "b")
		now = now.Add(time.Second)
	}
	if got := s.flaps["b"].now(now); got < 4.9 {
		t.Errorf("penalty %v after five deaths in five seconds", got)
	}
}

// Who dies among many is not charged with it, but is nobody to be shown either.
func TestDeathAmongManyEndsAHold(t *testing.T) {
	s, now := loneCore(nil)
	b := s.table.insert(&nodeRecord{Node: Node{Name: "b"}}, 1, now, s.rng)
	for range 3 {
		s.died(now, "b")
	}
	s.conceal(now, b)
	f := s.flaps["b"]
	if !f.timer.Scheduled() {
		t.Fatal("b is not held down")
	}
	now = now.Add(flapTogether)
	for i := range 3 {
		s.died(now, fmt.Sprint(i))
	}
	penalty := f.now(now)
	if s.died(now, "b"); f.timer.Scheduled() || f.now(now) != penalty {
		t.Errorf("b died among many: to be shown %v, penalty %v and then %v", f.timer.Scheduled(), penalty, f.now(now))
	}
}

// Names cost memory only up to a limit; who flaps least is forgotten first, and
// who is held down never.
func TestFlapsAreBounded(t *testing.T) {
	s, now := loneCore(nil)
	for range 3 {
		s.died(now, "held")
	}
	for i := range maxFlaps - 1 {
		s.died(now.Add(time.Duration(i+1)*flapTogether), fmt.Sprint(i))
	}
	m := s.table.insert(&nodeRecord{Node: Node{Name: "held"}}, 1, now, s.rng)
	s.conceal(now, m)
	later := now.Add((maxFlaps + 1) * flapTogether)
	s.died(later, "new")
	if len(s.flaps) != maxFlaps || s.flaps["new"] == nil || s.flaps["0"] != nil || s.flaps["1"] == nil || s.flaps["held"] == nil {
		t.Errorf("%d names; new %v, 0 %v, 1 %v, held %v", len(s.flaps), s.flaps["new"], s.flaps["0"], s.flaps["1"], s.flaps["held"])
	}
}

// With ConfirmNewcomers a cluster forms as without, and a member that does not
// answer is nobody's member.
func TestNewcomersAreConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		d := &userDelegate{}
		ca := testConfig(&network, "a")
		ca.ConfirmNewcomers, ca.Events = true, d
		a, b := start(t, ca), start(t, testConfig(&network, "b"))
		join(t, b, a)
		time.Sleep(time.Second)
		if find(a, "b") == nil || find(b, "a") == nil || a.NumMembers() != 2 {
			t.Errorf("a sees %v, b sees %v", a.Members(), b.Members())
		}
		deaf := start(t, testConfig(&network, "deaf"))
		at := deaf.LocalNode()
		deaf.Shutdown()
		ghost := wire.Alive{Incarnation: 1, Node: []byte("deaf"), Addr: at.Addr, Port: at.Port, Vsn: at.vsn()}
		a.step(func(s *swim, now time.Time) { s.handleAlive(now, &ghost) })
		time.Sleep(time.Minute)
		if find(a, "deaf") != nil {
			t.Errorf("a member that never answered is listed: %v", a.Members())
		}
		calls := d.take()
		if want := "NotifyJoin b"; !slices.Contains(calls, want) {
			t.Errorf("events %q, want %q", calls, want)
		}
		for _, not := range []string{"NotifyJoin deaf", "NotifyLeave deaf"} {
			if slices.Contains(calls, not) {
				t.Errorf("events %q", calls)
			}
		}
	})
}

// With a negative FlapHold nothing is held against anybody, and whoever is held
// down when it becomes so is shown, or forgiven when it dies.
func TestDampingCanBeSwitchedOff(t *testing.T) {
	s, now := loneCore(nil)
	for _, name := range []string{"back", "doubted", "dies"} {
		for range 3 {
			s.burst = burst{}
			s.died(now, name)
		}
		s.conceal(now, s.table.insert(&nodeRecord{Node: Node{Name: name}}, 1, now, s.rng))
		if s.heldUntil(name).IsZero() {
			t.Fatalf("%s is not held down", name)
		}
	}
	s.table.named("doubted").node.State = StateSuspect
	c := DefaultLANConfig()
	c.FlapHold = -1
	s.configure(c.coreParams())
	s.died(now, "dies")
	s.died(now, "new")
	if s.flaps["dies"] != nil || s.flaps["new"] != nil {
		t.Errorf("held against the dead: %v, %v", s.flaps["dies"], s.flaps["new"])
	}
	now = now.Add(defaultFlapHold)
	s.holdOver(now, s.flaps["back"])
	s.holdOver(now, s.flaps["doubted"])
	if s.table.named("back").rare().hidden || s.table.named("doubted").rare().hidden {
		t.Errorf("hidden: %v, %v", s.table.named("back").rare().hidden, s.table.named("doubted").rare().hidden)
	}
}

// Without probing nobody would ask a second time.
func TestNewcomersAreNotConfirmedWithoutProbing(t *testing.T) {
	for interval, hidden := range map[time.Duration]bool{0: false, time.Second: true} {
		s, now := loneCore(func(p *params) { p.confirmNewcomers, p.probeInterval = true, interval })
		s.handleAlive(now, newcomer("b"))
		b := s.table.named("b")
		if b.rare().hidden != hidden {
			t.Errorf("ProbeInterval %v: hidden: %v", interval, b.rare().hidden)
		}
		if pass(s, now, 2*time.Second); interval == 0 && b.node.State != StateAlive {
			t.Error("it was probed")
		}
	}
}
