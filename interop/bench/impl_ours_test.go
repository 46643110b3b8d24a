//go:build !incumbent

package bench

import impl "github.com/swimguard/memberlist"

// The benchmarks measure our package.

const implementation = "ours"

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
