package memberlist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Shutdown at a random moment of everything a node does: joining, exchanging,
// probing, sending, leaving. Whatever was in progress ends, nothing is
// delivered once Shutdown has returned, and no goroutine is left.
func TestShutdownAtEveryPoint(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			var network MockNetwork
			d := &userDelegate{state: []byte("state")}
			var over atomic.Bool
			d.setOn(func(call string) {
				if over.Load() {
					t.Errorf("seed %d: %s after Shutdown", seed, call)
				}
			})
			ca := testConfig(&network, "a")
			ca.ProbeInterval, ca.PushPullInterval = 50*time.Millisecond, 70*time.Millisecond
			d.listenTo(ca)
			a, b, c := start(t, ca), start(t, testConfig(&network, "b")), start(t, testConfig(&network, "c"))
			join(t, c, b)
			ends := make(chan error, 4)
			peer := b.LocalNode()
			go func() { ends <- second(a.Join([]string{address(b), "127.0.0.1:99"})) }()
			go func() { ends <- a.SendReliable(peer, []byte("hello")) }()
			go func() { ends <- second(a.Ping("c", mockAddrOf(c))) }()
			go func() { _ = b.SendBestEffort(a.LocalNode(), []byte("gossip")); ends <- nil }()
			if rng.IntN(2) == 0 {
				time.Sleep(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
			} else {
				for range rng.IntN(50) {
					runtime.Gosched()
				}
			}
			left := make(chan error, 1)
			if rng.IntN(2) == 0 {
				go func() { left <- a.Leave(0) }()
				time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Millisecond))))
			} else {
				left <- nil
			}
			a.Shutdown()
			over.Store(true)
			for range cap(ends) {
				<-ends // whatever it says, it ends
			}
			if err := <-left; err != nil && !errors.Is(err, ErrShutdown) {
				t.Errorf("seed %d: Leave: %v", seed, err)
			}
			time.Sleep(5 * time.Second)
			b.Shutdown()
			c.Shutdown()
			synctest.Wait()
			if left := ourGoroutines(); left != "" {
				t.Fatalf("seed %d: left:\n%s", seed, left)
			}
		})
	}
}

// failingTransport fails at one step of Create.
type failingTransport struct {
	*MockTransport
	advertise func() (net.IP, int, error)
}

func (t *failingTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return t.advertise() }

// Every step of Create can fail, and leaves nothing behind when it does.
func TestCreateFailsCleanlyAtEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		for what, spoil := range map[string]func(c *Config){
			"validation":             func(c *Config) { c.Name = "" },
			"label":                  func(c *Config) { c.Label = strings.Repeat("x", LabelMaxSize+1) },
			"key":                    func(c *Config) { c.SecretKey = []byte("short") },
			"metadata":               func(c *Config) { c.Delegate = &userDelegate{meta: make([]byte, MetaMaxSize+1)} },
			"transport has no addr":  advertises(&network, nil, 0, errors.New("no address")),
			"transport has bad addr": advertises(&network, net.IP{1, 2, 3}, 7, nil),
			"transport has bad port": advertises(&network, net.IPv4(1, 2, 3, 4), 70000, nil),
		} {
			c := testConfig(&network, fmt.Sprint("node for ", what))
			spoil(c)
			if m, err := Create(c); m != nil || err == nil {
				t.Errorf("%s: %v, %v", what, m, err)
			}
			synctest.Wait()
			if left := ourGoroutines(); left != "" {
				t.Errorf("%s: left\n%s", what, left)
			}
		}
	})
}

func advertises(network *MockNetwork, ip net.IP, port int, err error) func(c *Config) {
	return func(c *Config) {
		c.Transport = &failingTransport{network.NewTransport("failing"), func() (net.IP, int, error) { return ip, port, err }}
	}
}

// What waits for a slow transport is dropped.
func TestShutdownWritesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		var written atomic.Int32
		tap.write = func([]byte, Address) error { time.Sleep(100 * time.Millisecond); written.Add(1); return nil }
		m := start(t, c)
		for range 100 {
			if err := m.pushPacket(&endpoint{host: "x"}, outPacket{buf: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		m.Shutdown()
		before := written.Load()
		time.Sleep(time.Minute)
		if after := written.Load() - before; after > 1 {
			t.Errorf("%d packets written before Shutdown returned, %d afterwards", before, after)
		}
	})
}
