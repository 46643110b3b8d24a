package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/swimguard/memberlist/internal/testkit"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// patience is how long a test waits for what must come. It only ever runs out
// in a test that fails.
const patience = 60 * time.Second

// peer is what of an Alertmanager takes part in gossip: a member of the cluster
// and the silences it shares.
type peer struct {
	*cluster.Peer
	*silence.Silences
	t     *testing.T
	name  string
	leave func() // once: Alertmanager panics when told to leave a second time
}

func start(t *testing.T, name string, tls *cluster.TLSTransportConfig, known ...string) *peer {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(testkit.NewLog(t, ""), &slog.HandlerOptions{Level: slog.LevelDebug})).With("peer", name)
	metrics := prometheus.NewRegistry()
	silences, err := silence.New(silence.Options{Retention: time.Hour, Logger: logger, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	p, err := cluster.Create(logger, metrics, "127.0.0.1:0", "", known, true,
		cluster.DefaultPushPullInterval, 20*time.Millisecond, cluster.DefaultTCPTimeout,
		cluster.DefaultResolvePeersTimeout, 500*time.Millisecond, time.Second,
		tls, false, "production", name)
	if err != nil {
		t.Fatal(err)
	}
	leave := sync.OnceFunc(func() {
		if err := p.Leave(patience); err != nil {
			t.Errorf("%s leaves: %v", name, err)
		}
	})
	t.Cleanup(leave)
	silences.SetBroadcast(p.AddState("sil", silences, metrics).Broadcast)
	if err := p.Join(cluster.DefaultReconnectInterval, cluster.DefaultReconnectTimeout); err != nil {
		t.Fatal(err)
	}
	return &peer{Peer: p, Silences: silences, t: t, name: name, leave: leave}
}

// silence makes a silence that mutes one alert name and has a comment of the
// given length.
func (p *peer) silence(alert string, comment int) *silencepb.Silence {
	p.t.Helper()
	now := time.Now()
	s := &silencepb.Silence{
		MatcherSets: []*silencepb.MatcherSet{{Matchers: []*silencepb.Matcher{{Name: "alertname", Pattern: alert}}}},
		StartsAt:    timestamppb.New(now),
		EndsAt:      timestamppb.New(now.Add(time.Hour)),
		CreatedBy:   p.name,
		Comment:     fmt.Sprintf("%0*d", comment, 0),
	}
	if err := p.Set(context.Background(), s); err != nil {
		p.t.Fatalf("%s sets a silence: %v", p.name, err)
	}
	return s
}

// awaitSilence waits until p has the silence s, in the given state.
func (p *peer) awaitSilence(s *silencepb.Silence, want silence.SilenceState) {
	p.t.Helper()
	p.await(fmt.Sprintf("the silence of %s to be %s", s.CreatedBy, want), func() (any, bool) {
		got, err := p.QueryOne(context.Background(), silence.QIDs(s.Id))
		if errors.Is(err, silence.ErrNotFound) {
			return "none", false
		}
		if err != nil {
			p.t.Fatal(err)
		}
		if got.Comment != s.Comment || got.CreatedBy != s.CreatedBy {
			p.t.Fatalf("%s has another silence: %v, want %v", p.name, got, s)
		}
		state := silence.CurrentState(got.StartsAt.AsTime(), got.EndsAt.AsTime())
		return state, state == want
	})
}

// awaitSize waits until p counts that many members, itself included.
func (p *peer) awaitSize(want int) {
	p.t.Helper()
	p.await(fmt.Sprintf("a cluster of %d", want), func() (any, bool) {
		got := p.ClusterSize()
		return got, got == want
	})
}

// await asks again and again until the answer is yes.
func (p *peer) await(what string, ask func() (got any, ok bool)) {
	p.t.Helper()
	testkit.Await(p.t, p.name+": "+what, 5*time.Millisecond, patience, ask)
}
