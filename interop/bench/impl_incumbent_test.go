//go:build incumbent

package bench

import impl "github.com/hashicorp/memberlist"

// With the build tag incumbent the same benchmarks measure the incumbent.

const implementation = "incumbent"

type (
	Address              = impl.Address
	Broadcast            = impl.Broadcast
	Config               = impl.Config
	Memberlist           = impl.Memberlist
	Node                 = impl.Node
	Packet               = impl.Packet
	TransmitLimitedQueue = impl.TransmitLimitedQueue
)

func create(c *Config) (*Memberlist, error) { return impl.Create(c) }
func defaultConfig() *Config                { return impl.DefaultLANConfig() }
