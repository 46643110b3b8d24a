package alertmanager

import (
	"testing"

	"github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/silence"
)

func TestSilencesAreReplicated(t *testing.T) {
	for _, mode := range []struct {
		name string
		tls  func(*testing.T) *cluster.TLSTransportConfig
	}{
		{"net transport", func(*testing.T) *cluster.TLSTransportConfig { return nil }},
		{"tls transport", tlsConfig},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			tls := mode.tls(t)
			a := start(t, "a", tls)
			early := a.silence("Early", 10) // before anybody could hear of it
			b := start(t, "b", tls, a.Self().Address())
			c := start(t, "c", tls, a.Self().Address())
			all := []*peer{a, b, c}
			for _, p := range all {
				p.awaitSize(3)
				p.awaitSilence(early, silence.SilenceStateActive)
			}

			// Small ones are gossiped in packets, large ones are sent by stream.
			for _, comment := range []int{10, 2 * cluster.MaxGossipPacketSize} {
				for _, from := range all {
					s := from.silence("Disk", comment)
					for _, p := range all {
						p.awaitSilence(s, silence.SilenceStateActive)
					}
				}
			}

			if err := b.Expire(t.Context(), early.Id); err != nil {
				t.Fatal(err)
			}
			for _, p := range all {
				p.awaitSilence(early, silence.SilenceStateExpired)
			}

			c.leave()
			a.awaitSize(2)
			b.awaitSize(2)

			d := start(t, "d", tls, b.Self().Address())
			for _, p := range []*peer{a, b, d} {
				p.awaitSize(3)
			}
			d.awaitSilence(early, silence.SilenceStateExpired)
			last := d.silence("Memory", 10)
			for _, p := range []*peer{a, b, d} {
				p.awaitSilence(last, silence.SilenceStateActive)
			}
		})
	}
}
