package serf

import (
	"reflect"
	"testing"

	incumbent "github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/internal/testkit"
)

// That these compile is the proof: what Serf calls
// github.com/hashicorp/memberlist has the types of this library.
var (
	_ func(*serf.Serf) *memberlist.Memberlist                      = (*serf.Serf).Memberlist
	_ func(*incumbent.Config) (*memberlist.Memberlist, error)      = incumbent.Create
	_ func(*memberlist.TransmitLimitedQueue, memberlist.Broadcast) = (*incumbent.TransmitLimitedQueue).QueueBroadcast
	_ memberlist.EventDelegate                                     = incumbent.EventDelegate(nil)
)

func TestSerfIsBuiltOnThisLibrary(t *testing.T) {
	testkit.BuiltOnThisLibrary(t, reflect.TypeFor[incumbent.Memberlist](), "github.com/hashicorp/serf")
}
