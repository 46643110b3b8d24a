package dskit

import (
	"reflect"
	"testing"

	"github.com/grafana/dskit/kv/memberlist"
)

func TestRingIsReplicated(t *testing.T) {
	for _, mode := range []struct {
		name   string
		change func(*memberlist.KVConfig)
	}{
		{"default", nil},
		{"labelled", func(c *memberlist.KVConfig) { c.ClusterLabel = "blue" }},
		// The settings that only Grafana's fork has.
		{"snappy", func(c *memberlist.KVConfig) { c.CompressionAlgorithm = "snappy" }},
		{"zones", func(c *memberlist.KVConfig) {
			role := "member"
			if c.NodeName <= "b" {
				role = "bridge" // of its zone
			}
			zone := map[string]string{"a": "one", "b": "two", "c": "one", "d": "two"}[c.NodeName]
			c.ZoneAwareRouting = memberlist.ZoneAwareRoutingConfig{Enabled: true, Zone: zone, Role: role}
		}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			a := start(t, "a", mode.change)
			a.register() // before anybody could hear of it
			b := start(t, "b", mode.change, a)
			b.awaitRing("a")
			b.register()
			c := start(t, "c", mode.change, a)
			c.register()

			all := []*store{a, b, c}
			want := a.awaitRing("a", "b", "c")
			for _, s := range all {
				got := s.awaitRing("a", "b", "c")
				for name := range want.Ingesters {
					if !reflect.DeepEqual(got.Ingesters[name].Tokens, want.Ingesters[name].Tokens) {
						t.Errorf("%s and a have different tokens of %s", s.name, name)
					}
				}
			}

			// An instance that stops takes itself out of the ring.
			c.stop(c.instance)
			for _, s := range all {
				s.awaitRing("a", "b")
			}
			c.stop(c.KV)

			d := start(t, "d", mode.change, b)
			d.register()
			for _, s := range []*store{a, b, d} {
				s.awaitRing("a", "b", "d")
			}
		})
	}
}
