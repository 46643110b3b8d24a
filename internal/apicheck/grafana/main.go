// Command grafana compiles only if the identifiers exist that grafana/dskit,
// and so Loki, Mimir and Tempo, need beyond memberlist v0.7.0. They come from
// Grafana's fork.
//
// Fields of Config are checked by selector and not by composite literal on
// purpose, because we promote them from an embedded struct.
package main

import (
	"time"

	ml "github.com/swimguard/memberlist"
)

var (
	_ string                  = string(ml.CompressionAlgorithmLZW)
	_ ml.CompressionAlgorithm = ml.CompressionAlgorithmLZW
	_ ml.CompressionAlgorithm = ml.CompressionAlgorithmSnappy
	_                         = func(s string) ml.CompressionAlgorithm { return ml.CompressionAlgorithm(s) }
)

// A map literal with equal constant keys does not compile, and neither does one
// whose keys stop being the strings that configuration files contain.
var _ = map[bool]int{ml.CompressionAlgorithmLZW == "lzw": 1, false: 0}
var _ = map[bool]int{ml.CompressionAlgorithmSnappy == "snappy": 1, false: 0}

func configFields(c *ml.Config) {
	var (
		_ *ml.CompressionAlgorithm  = &c.CompressionAlgorithm
		_ *int                      = &c.PushPullNodes
		_ *ml.NodeSelectionDelegate = &c.NodeSelection
	)
}

func nodeState() {
	s := ml.NodeState{
		Node:        ml.Node{Name: "n"},
		Incarnation: uint32(0),
		State:       ml.StateAlive,
		StateChange: time.Time{},
	}
	var (
		_ *ml.Node          = &s.Node
		_ *uint32           = &s.Incarnation
		_ *ml.NodeStateType = &s.State
		_ *time.Time        = &s.StateChange
		_ *[]byte           = &s.Meta // promoted from Node
	)
}

var (
	_ func(*ml.NodeState) string     = (*ml.NodeState).Address
	_ func(*ml.NodeState) ml.Address = (*ml.NodeState).FullAddress
	_ func(*ml.NodeState) bool       = (*ml.NodeState).DeadOrLeft
)

type selectionShape interface {
	SelectNodes([]*ml.NodeState) (selected []*ml.NodeState, preferred *ml.NodeState)
}

var (
	_ selectionShape                                                                   = ml.NodeSelectionDelegate(nil)
	_ ml.NodeSelectionDelegate                                                         = selectionShape(nil)
	_ func(ml.NodeSelectionDelegate, []*ml.NodeState) ([]*ml.NodeState, *ml.NodeState) = ml.NodeSelectionDelegate.SelectNodes
)

func main() {
	configFields(&ml.Config{})
	nodeState()
	println("ok")
}
