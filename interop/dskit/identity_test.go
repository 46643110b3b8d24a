package dskit

import (
	"reflect"
	"testing"

	"github.com/grafana/dskit/kv/memberlist"
	incumbent "github.com/hashicorp/memberlist"
	ours "github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/internal/testkit"
)

// That these compile is the proof: what dskit calls
// github.com/hashicorp/memberlist has the types of this library.
var (
	_ ours.Delegate                                     = (*memberlist.KV)(nil)
	_ ours.Transport                                    = (*memberlist.TCPTransport)(nil)
	_ func(*incumbent.Config) (*ours.Memberlist, error) = incumbent.Create
)

func TestDskitIsBuiltOnThisLibrary(t *testing.T) {
	testkit.BuiltOnThisLibrary(t, reflect.TypeFor[incumbent.Memberlist](), "github.com/grafana/dskit")
}
