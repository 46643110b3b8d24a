package memberlist

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// Programs read the port from their Config after Create, and the keyring.
func TestCreateWritesWhatItChoseIntoTheConfig(t *testing.T) {
	for _, test := range []struct {
		name                string
		advertise           string
		port, advertisePort int
		keepAdvertisePort   bool
	}{
		{name: "port chosen", advertisePort: 7946},
		{name: "advertised elsewhere", advertise: "127.0.0.2", advertisePort: 4444, keepAdvertisePort: true},
		{name: "advertise port forgotten", advertise: "127.0.0.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := DefaultLocalConfig()
			c.Name, c.BindAddr, c.BindPort = "a", "127.0.0.1", 0
			c.AdvertiseAddr, c.AdvertisePort = test.advertise, test.advertisePort
			c.SecretKey = make([]byte, 32)
			c.Logger = log.New(io.Discard, "", 0)
			m, err := Create(c)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Shutdown()
			if c.BindPort == 0 || c.Transport != nil {
				t.Errorf("BindPort %d, Transport %v", c.BindPort, c.Transport)
			}
			want := c.BindPort
			if test.keepAdvertisePort {
				want = test.advertisePort
			}
			if c.AdvertisePort != want || int(m.LocalNode().Port) != want {
				t.Errorf("AdvertisePort %d, advertised %d, want %d", c.AdvertisePort, m.LocalNode().Port, want)
			}
			if c.Keyring == nil || !slices.Equal(c.Keyring.GetPrimaryKey(), c.SecretKey) || !c.EncryptionEnabled() {
				t.Error("the keyring was not written back")
			}
		})
	}
}

func TestCreateReportsWhatValidateDoes(t *testing.T) {
	for _, change := range []func(c *Config){
		func(c *Config) { c.Name = "" },
		func(c *Config) { c.ProtocolVersion = 9 },
		func(c *Config) { c.Label = strings.Repeat("l", LabelMaxSize+1) },
		func(c *Config) { c.SecretKey = []byte("short") },
		func(c *Config) { c.LogOutput = io.Discard },
		func(c *Config) { c.BindAddr, c.Transport = "localhost", nil },
	} {
		var net MockNetwork
		c := DefaultLANConfig()
		c.Name, c.Transport, c.Logger = "a", net.NewTransport("a"), log.New(io.Discard, "", 0)
		change(c)
		want := c.Validate()
		m, err := Create(c)
		if m != nil || want == nil || errorText(err) != want.Error() {
			t.Errorf("got %v, %v, want %v", m, err, want)
		}
	}
	if m, err := Create(nil); m != nil || err == nil {
		t.Errorf("without a Config: %v, %v", m, err)
	}
}

// pair creates two nodes in a bubble, joined, which the caller shuts down.
func pair(t *testing.T, change func(c *Config)) (a, b *Memberlist) {
	t.Helper()
	var net MockNetwork
	var nodes []*Memberlist
	for _, name := range []string{"a", "b"} {
		c := DefaultLANConfig()
		c.Name, c.Transport, c.Logger = name, net.NewTransport(name), log.New(io.Discard, "", 0)
		change(c)
		m, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, m)
	}
	if n, err := nodes[1].Join([]string{nodes[0].LocalNode().Address()}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	synctest.Wait()
	return nodes[0], nodes[1]
}

// Programs reorder the slice and cut themselves out of it.
func TestMembersReturnsAFreshSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, func(*Config) {})
		defer a.Shutdown()
		defer b.Shutdown()
		members := a.Members()
		members[0], members[1] = nil, nil
		members = append(members[:1], &Node{Name: "mine"})
		for _, n := range a.Members() {
			if n == nil || n.Name == "mine" {
				t.Errorf("a caller's change is visible to others: %v", n)
			}
		}
		if len(a.Members()) != 2 || members[1].Name != "mine" {
			t.Error("the slices are not separate")
		}
	})
}

// Status pages encode it.
func TestMemberlistJSONIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, func(*Config) {})
		defer a.Shutdown()
		defer b.Shutdown()
		//lint:ignore SA9005 that there are no fields to encode is the point
		if got, err := json.Marshal(a); err != nil || string(got) != "{}" {
			t.Errorf("got %s, %v", got, err)
		}
	})
}

// eventNames writes down the names it is told of.
type eventNames struct {
	mu    sync.Mutex
	names []string
}

func (e *eventNames) note(kind string, n *Node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.names = append(e.names, kind+" "+n.Name)
}
func (e *eventNames) NotifyJoin(n *Node)   { e.note("join", n) }
func (e *eventNames) NotifyLeave(n *Node)  { e.note("leave", n) }
func (e *eventNames) NotifyUpdate(n *Node) { e.note("update", n) }

// Delegates are read from the caller's Config at each use.
func TestDelegatesCanBeReplacedAfterCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net MockNetwork
		first, second := &eventNames{}, &eventNames{}
		c := DefaultLANConfig()
		c.Name, c.Transport, c.Logger, c.Events = "a", net.NewTransport("a"), log.New(io.Discard, "", 0), first
		a, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Shutdown()
		synctest.Wait() // nothing reads the field any more until the next event
		c.Events = second
		d := DefaultLANConfig()
		d.Name, d.Transport, d.Logger = "b", net.NewTransport("b"), c.Logger
		b, err := Create(d)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Shutdown()
		if _, err := a.Join([]string{b.LocalNode().Address()}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(first.names, []string{"join a"}) || !slices.Equal(second.names, []string{"join b"}) {
			t.Errorf("first %v, second %v", first.names, second.names)
		}
	})
}

// callLines keeps each write.
type callLines struct {
	mu    sync.Mutex
	lines []string
}

func (w *callLines) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, string(p))
	return len(p), nil
}

// Four programs parse the lines, so each is one write of one form.
func TestEveryLogLineOfALifeHasTheKnownForm(t *testing.T) {
	known := regexp.MustCompile(`^\[(DEBUG|INFO|WARN|ERR)\] memberlist: [^\n]+\n$`)
	synctest.Test(t, func(t *testing.T) {
		w := &callLines{}
		a, b := pair(t, func(c *Config) { c.Logger = log.New(w, "", 0) })
		if _, err := a.Join([]string{"/nobody", "127.0.0.1:999"}); err == nil {
			t.Error("joined nobody")
		}
		b.Shutdown() // without leaving: a has something to say about it
		time.Sleep(time.Minute)
		if n := a.NumMembers(); n != 1 {
			t.Errorf("%d members", n)
		}
		a.Shutdown()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, line := range w.lines {
			if !known.MatchString(line) {
				t.Errorf("%q", line)
			}
		}
		all := strings.Join(w.lines, "")
		for _, want := range []string{
			"[DEBUG] memberlist: Stream connection from=",
			"[DEBUG] memberlist: Initiating push/pull sync with: ",
			"[DEBUG] memberlist: failed to join 127.0.0.1:999: ",
			"[WARN] memberlist: failed to resolve /nobody: ",
			"[DEBUG] memberlist: Failed UDP ping: b (timeout reached)",
			"[INFO] memberlist: Suspect b has failed, no acks received",
			"[INFO] memberlist: Marking b as failed, suspect timeout reached (0 peer confirmations)",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is missing in\n%s", want, all)
			}
		}
	})
}

// Dashboards know the names.
func TestMetricsOfALife(t *testing.T) {
	s := useMetricsSink(t)
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, func(c *Config) {
			c.MetricLabels = []metrics.Label{{Name: "test", Value: s.test}}
			c.QueueCheckInterval = time.Second
		})
		time.Sleep(time.Minute)
		b.Shutdown()
		time.Sleep(time.Minute)
		a.Shutdown()
	})
	seen := make(map[string]int)
	for _, line := range s.got {
		seen[strings.Join(strings.Fields(line)[:2], " ")]++
		var size float64
		if _, err := fmt.Sscanf(line, "gauge memberlist.size.local %g", &size); err == nil && (size < 100 || size > 1000) {
			t.Errorf("size.local is not the size of two node states in bytes: %s", line)
		}
	}
	for _, want := range []string{
		"counter memberlist.msg.alive", "counter memberlist.msg.suspect", "counter memberlist.msg.dead",
		"counter memberlist.tcp.accept", "counter memberlist.tcp.connect", "counter memberlist.tcp.sent", "counter memberlist.udp.sent",
		"counter memberlist.degraded.probe", "gauge memberlist.health.score", "gauge memberlist.node.instances", "gauge memberlist.size.local",
		"sample memberlist.probeNode", "sample memberlist.gossip", "sample memberlist.pushPullNode", "sample memberlist.queue.broadcasts",
	} {
		if seen[want] == 0 {
			t.Errorf("%s was never reported", want)
		}
	}
}
