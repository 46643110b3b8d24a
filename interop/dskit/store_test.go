package dskit

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/flagext"
	"github.com/grafana/dskit/kv/codec"
	"github.com/grafana/dskit/kv/memberlist"
	"github.com/grafana/dskit/ring"
	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/swimguard/memberlist/internal/testkit"
)

// patience is how long a test waits for what must come. It only ever runs out
// in a test that fails.
const patience = 60 * time.Second

const (
	ringKey = "ring"
	tokens  = 128
)

// store is one dskit key-value store and the instance that it registers in the
// ring.
type store struct {
	*memberlist.KV
	t        *testing.T
	name     string
	log      log.Logger
	client   *memberlist.Client
	instance *ring.BasicLifecycler
}

func start(t *testing.T, name string, change func(*memberlist.KVConfig), known ...*store) *store {
	t.Helper()
	var conf memberlist.KVConfig
	flagext.DefaultValues(&conf)
	conf.NodeName, conf.RandomizeNodeName = name, false
	conf.TCPTransport.BindAddrs = []string{"127.0.0.1"}
	conf.TCPTransport.BindPort = 0
	conf.GossipInterval = 20 * time.Millisecond
	conf.LeaveTimeout = 10 * time.Second
	conf.StreamTimeout = patience // 2 s are not much on a busy machine
	conf.AbortIfJoinFails = true
	conf.Codecs = []codec.Codec{ring.GetCodec()}
	for _, k := range known {
		conf.JoinMembers = append(conf.JoinMembers, net.JoinHostPort("127.0.0.1", strconv.Itoa(k.GetListeningPort())))
	}
	if change != nil {
		change(&conf)
	}

	logger := log.With(log.NewLogfmtLogger(testkit.NewLog(t, "")), "store", name)
	s := &store{t: t, name: name, log: logger}
	s.KV = memberlist.NewKV(conf, logger, &addresses{}, prometheus.NewRegistry())
	s.run(s.KV)
	client, err := memberlist.NewClient(s.KV, ring.GetCodec())
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
	return s
}

// register announces an instance of the store's name in the ring, which is how
// Loki's and Mimir's components find each other.
func (s *store) register() {
	s.t.Helper()
	conf := ring.BasicLifecyclerConfig{
		ID:              s.name,
		Addr:            s.name + ".example:9095",
		HeartbeatPeriod: time.Second,
		NumTokens:       tokens,
	}
	delegate := ring.NewInstanceRegisterDelegate(ring.ACTIVE, tokens)
	var err error
	s.instance, err = ring.NewBasicLifecycler(conf, "test", ringKey, s.client, delegate, s.log, prometheus.NewRegistry())
	if err != nil {
		s.t.Fatal(err)
	}
	s.run(s.instance)
}

// run starts a service of dskit, and stops it when the test ends.
func (s *store) run(service services.Service) {
	s.t.Helper()
	// The context of the start ends the service, so it has no timeout.
	if err := service.StartAsync(context.Background()); err != nil {
		s.t.Fatalf("%s starts %T: %v", s.name, service, err)
	}
	s.t.Cleanup(func() { s.stop(service) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := service.AwaitRunning(ctx); err != nil {
		s.t.Fatalf("%s starts %T: %v", s.name, service, err)
	}
}

func (s *store) stop(service services.Service) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := services.StopAndAwaitTerminated(ctx, service); err != nil {
		s.t.Errorf("%s stops %T: %v", s.name, service, err)
	}
}

// awaitRing waits until the ring, as this store has it, consists of these
// active instances with all their tokens, and returns it.
func (s *store) awaitRing(want ...string) *ring.Desc {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var last *ring.Desc
	// WatchKey tells the value at hand first, and then each change.
	found := false
	s.client.WatchKey(ctx, ringKey, func(value any) bool {
		last = ring.GetOrCreateRingDesc(value)
		var got []string
		for name, i := range last.Ingesters {
			if i.State == ring.ACTIVE && i.Addr == name+".example:9095" && len(i.Tokens) == tokens {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		found = slices.Equal(got, want) && len(last.Ingesters) == len(want)
		return !found
	})
	if !found {
		s.t.Fatalf("%s waits for a ring of %v and has %v", s.name, want, last)
	}
	return last
}

// addresses is a DNSProvider for addresses that need no resolving.
type addresses struct {
	mu   sync.Mutex
	list []string
}

func (a *addresses) Resolve(_ context.Context, list []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = slices.Clone(list)
	return nil
}

func (a *addresses) Addresses() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}
