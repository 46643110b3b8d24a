package alertmanager

import (
	"reflect"
	"testing"

	incumbent "github.com/hashicorp/memberlist"
	"github.com/prometheus/alertmanager/cluster"
	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/internal/testkit"
)

// That these compile is the proof: what Alertmanager calls
// github.com/hashicorp/memberlist has the types of this library.
var (
	_ func(*cluster.Peer) *memberlist.Node                    = (*cluster.Peer).Self
	_ func(*incumbent.Config) (*memberlist.Memberlist, error) = incumbent.Create
	_ memberlist.Transport                                    = (*cluster.TLSTransport)(nil)
)

func TestAlertmanagerIsBuiltOnThisLibrary(t *testing.T) {
	testkit.BuiltOnThisLibrary(t, reflect.TypeFor[incumbent.Memberlist](), "github.com/prometheus/alertmanager")
}
