// Command conformance compiles only if every exported identifier of memberlist
// v0.7.0 exists in this package with the exact type or signature. Run, it also
// checks what the compiler cannot see: method sets of value types, the JSON
// form of *Memberlist and *Node, and how many fields of Config programs see
// that walk them.
//
// The import path may be replaced, to check another package in the same way.
package main

//lint:file-ignore SA1019 deprecated identifiers have to exist like all others
//lint:file-ignore SA9005 that a Memberlist is encoded as {} is what is checked

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"reflect"
	"time"

	metrics "github.com/hashicorp/go-metrics"

	ml "github.com/swimguard/memberlist"
)

// ---------------------------------------------------------------------------
// Constants: value, and typed or untyped.

// An array length of x-y and y-x is legal only if x == y.
var (
	_ [ml.LabelMaxSize - 255]struct{}
	_ [255 - ml.LabelMaxSize]struct{}
	_ [ml.MetaMaxSize - 512]struct{}
	_ [512 - ml.MetaMaxSize]struct{}
	_ [ml.ProtocolVersionMin - 1]struct{}
	_ [1 - ml.ProtocolVersionMin]struct{}
	_ [ml.ProtocolVersion2Compatible - 2]struct{}
	_ [2 - ml.ProtocolVersion2Compatible]struct{}
	_ [ml.ProtocolVersionMax - 5]struct{}
	_ [5 - ml.ProtocolVersionMax]struct{}

	_ [ml.NodeJoin - 0]struct{}
	_ [0 - ml.NodeJoin]struct{}
	_ [ml.NodeLeave - 1]struct{}
	_ [1 - ml.NodeLeave]struct{}
	_ [ml.NodeUpdate - 2]struct{}
	_ [2 - ml.NodeUpdate]struct{}

	_ [ml.StateAlive - 0]struct{}
	_ [0 - ml.StateAlive]struct{}
	_ [ml.StateSuspect - 1]struct{}
	_ [1 - ml.StateSuspect]struct{}
	_ [ml.StateDead - 2]struct{}
	_ [2 - ml.StateDead]struct{}
	_ [ml.StateLeft - 3]struct{}
	_ [3 - ml.StateLeft]struct{}
)

// Only an untyped integer constant fits all three types of each group.
const (
	_ uint8   = ml.LabelMaxSize
	_ int     = ml.LabelMaxSize
	_ float64 = ml.LabelMaxSize

	_ uint16  = ml.MetaMaxSize
	_ int     = ml.MetaMaxSize
	_ float64 = ml.MetaMaxSize

	_ uint8   = ml.ProtocolVersion2Compatible
	_ int     = ml.ProtocolVersion2Compatible
	_ float64 = ml.ProtocolVersion2Compatible

	_ uint8   = ml.ProtocolVersionMax
	_ int     = ml.ProtocolVersionMax
	_ float64 = ml.ProtocolVersionMax
)

// These are typed; a pointer to a variable of the inferred type proves it.
func typedConstants() {
	protoMin := ml.ProtocolVersionMin
	var _ *uint8 = &protoMin

	evJoin, evLeave, evUpdate := ml.NodeJoin, ml.NodeLeave, ml.NodeUpdate
	var _ *ml.NodeEventType = &evJoin
	var _ *ml.NodeEventType = &evLeave
	var _ *ml.NodeEventType = &evUpdate

	alive, suspect, dead, left := ml.StateAlive, ml.StateSuspect, ml.StateDead, ml.StateLeft
	var _ *ml.NodeStateType = &alive
	var _ *ml.NodeStateType = &suspect
	var _ *ml.NodeStateType = &dead
	var _ *ml.NodeStateType = &left
}

// Both named integer types have underlying type int.
var (
	_ = func(p *ml.NodeEventType) *int { return (*int)(p) }
	_ = func(p *ml.NodeStateType) *int { return (*int)(p) }
)

// ---------------------------------------------------------------------------
// Functions.

var (
	_ func(*ml.Config) (*ml.Memberlist, error)               = ml.Create
	_ func() *ml.Config                                      = ml.DefaultLANConfig
	_ func() *ml.Config                                      = ml.DefaultWANConfig
	_ func() *ml.Config                                      = ml.DefaultLocalConfig
	_ func([]string) ([]net.IPNet, error)                    = ml.ParseCIDRs
	_ func([][]byte, []byte) (*ml.Keyring, error)            = ml.NewKeyring
	_ func([]byte) error                                     = ml.ValidateKey
	_ func(*ml.NetTransportConfig) (*ml.NetTransport, error) = ml.NewNetTransport
	_ func([]byte, string) ([]byte, error)                   = ml.AddLabelHeaderToPacket
	_ func([]byte) (newBuf []byte, label string, err error)  = ml.RemoveLabelHeaderFromPacket
	_ func(net.Conn, string) error                           = ml.AddLabelHeaderToStream
	_ func(net.Conn) (net.Conn, string, error)               = ml.RemoveLabelHeaderFromStream
	_ func(net.Addr) string                                  = ml.LogAddress
	_ func(net.Conn) string                                  = ml.LogConn
	_ func(string) string                                    = ml.LogStringAddress
)

// ---------------------------------------------------------------------------
// Memberlist.

var (
	_ func(*ml.Memberlist, []string) (int, error)                   = (*ml.Memberlist).Join
	_ func(*ml.Memberlist, time.Duration) error                     = (*ml.Memberlist).Leave
	_ func(*ml.Memberlist) error                                    = (*ml.Memberlist).Shutdown
	_ func(*ml.Memberlist) *ml.Node                                 = (*ml.Memberlist).LocalNode
	_ func(*ml.Memberlist) []*ml.Node                               = (*ml.Memberlist).Members
	_ func(*ml.Memberlist) int                                      = (*ml.Memberlist).NumMembers
	_ func(*ml.Memberlist, time.Duration) error                     = (*ml.Memberlist).UpdateNode
	_ func(*ml.Memberlist, string, net.Addr) (time.Duration, error) = (*ml.Memberlist).Ping
	_ func(*ml.Memberlist, *ml.Node, []byte) error                  = (*ml.Memberlist).SendBestEffort
	_ func(*ml.Memberlist, *ml.Node, []byte) error                  = (*ml.Memberlist).SendReliable
	_ func(*ml.Memberlist, ml.Address, []byte) error                = (*ml.Memberlist).SendToAddress
	_ func(*ml.Memberlist, net.Addr, []byte) error                  = (*ml.Memberlist).SendTo
	_ func(*ml.Memberlist, *ml.Node, []byte) error                  = (*ml.Memberlist).SendToUDP
	_ func(*ml.Memberlist, *ml.Node, []byte) error                  = (*ml.Memberlist).SendToTCP
	_ func(*ml.Memberlist) int                                      = (*ml.Memberlist).GetHealthScore
	_ func(*ml.Memberlist) uint8                                    = (*ml.Memberlist).ProtocolVersion
)

// ---------------------------------------------------------------------------
// Config: every field, with its exact type, as a keyed literal and by address.

func configLiteral(d ml.Delegate, e ml.EventDelegate, c ml.ConflictDelegate, m ml.MergeDelegate,
	p ml.PingDelegate, a ml.AliveDelegate, t ml.Transport, k *ml.Keyring, w io.Writer, l *log.Logger,
) ml.Config {
	cfg := ml.Config{
		Name:                    "",
		Transport:               t,
		Label:                   "",
		SkipInboundLabelCheck:   false,
		BindAddr:                "",
		BindPort:                0,
		AdvertiseAddr:           "",
		AdvertisePort:           0,
		ProtocolVersion:         ml.ProtocolVersion2Compatible,
		TCPTimeout:              time.Second,
		IndirectChecks:          0,
		RetransmitMult:          0,
		SuspicionMult:           0,
		SuspicionMaxTimeoutMult: 0,
		PushPullInterval:        time.Second,
		ProbeInterval:           time.Second,
		ProbeTimeout:            time.Second,
		DisableTcpPings:         false,
		DisableTcpPingsForNode:  func(nodeName string) bool { return false },
		AwarenessMaxMultiplier:  0,
		GossipInterval:          time.Second,
		GossipNodes:             0,
		GossipToTheDeadTime:     time.Second,
		GossipVerifyIncoming:    false,
		GossipVerifyOutgoing:    false,
		EnableCompression:       false,
		SecretKey:               []byte(nil),
		Keyring:                 k,
		Delegate:                d,
		DelegateProtocolVersion: 0,
		DelegateProtocolMin:     0,
		DelegateProtocolMax:     0,
		Events:                  e,
		Conflict:                c,
		Merge:                   m,
		Ping:                    p,
		Alive:                   a,
		DNSConfigPath:           "",
		LogOutput:               w,
		Logger:                  l,
		HandoffQueueDepth:       0,
		UDPBufferSize:           0,
		DeadNodeReclaimTime:     time.Second,
		RequireNodeNames:        false,
		CIDRsAllowed:            []net.IPNet(nil),
		MetricLabels:            []metrics.Label{{Name: "n", Value: "v"}},
		QueueCheckInterval:      time.Second,
		MsgpackUseNewTimeFormat: false,
	}

	var (
		_ *string                     = &cfg.Name
		_ *ml.Transport               = &cfg.Transport
		_ *string                     = &cfg.Label
		_ *bool                       = &cfg.SkipInboundLabelCheck
		_ *string                     = &cfg.BindAddr
		_ *int                        = &cfg.BindPort
		_ *string                     = &cfg.AdvertiseAddr
		_ *int                        = &cfg.AdvertisePort
		_ *uint8                      = &cfg.ProtocolVersion
		_ *time.Duration              = &cfg.TCPTimeout
		_ *int                        = &cfg.IndirectChecks
		_ *int                        = &cfg.RetransmitMult
		_ *int                        = &cfg.SuspicionMult
		_ *int                        = &cfg.SuspicionMaxTimeoutMult
		_ *time.Duration              = &cfg.PushPullInterval
		_ *time.Duration              = &cfg.ProbeInterval
		_ *time.Duration              = &cfg.ProbeTimeout
		_ *bool                       = &cfg.DisableTcpPings
		_ *func(nodeName string) bool = &cfg.DisableTcpPingsForNode
		_ *int                        = &cfg.AwarenessMaxMultiplier
		_ *time.Duration              = &cfg.GossipInterval
		_ *int                        = &cfg.GossipNodes
		_ *time.Duration              = &cfg.GossipToTheDeadTime
		_ *bool                       = &cfg.GossipVerifyIncoming
		_ *bool                       = &cfg.GossipVerifyOutgoing
		_ *bool                       = &cfg.EnableCompression
		_ *[]byte                     = &cfg.SecretKey
		_ **ml.Keyring                = &cfg.Keyring
		_ *ml.Delegate                = &cfg.Delegate
		_ *uint8                      = &cfg.DelegateProtocolVersion
		_ *uint8                      = &cfg.DelegateProtocolMin
		_ *uint8                      = &cfg.DelegateProtocolMax
		_ *ml.EventDelegate           = &cfg.Events
		_ *ml.ConflictDelegate        = &cfg.Conflict
		_ *ml.MergeDelegate           = &cfg.Merge
		_ *ml.PingDelegate            = &cfg.Ping
		_ *ml.AliveDelegate           = &cfg.Alive
		_ *string                     = &cfg.DNSConfigPath
		_ *io.Writer                  = &cfg.LogOutput
		_ **log.Logger                = &cfg.Logger
		_ *int                        = &cfg.HandoffQueueDepth
		_ *int                        = &cfg.UDPBufferSize
		_ *time.Duration              = &cfg.DeadNodeReclaimTime
		_ *bool                       = &cfg.RequireNodeNames
		_ *[]net.IPNet                = &cfg.CIDRsAllowed
		_ *[]metrics.Label            = &cfg.MetricLabels
		_ *time.Duration              = &cfg.QueueCheckInterval
		_ *bool                       = &cfg.MsgpackUseNewTimeFormat
	)
	return cfg // Config stays copyable by value
}

var (
	_ func(*ml.Config) []uint8       = (*ml.Config).BuildVsnArray
	_ func(*ml.Config) bool          = (*ml.Config).EncryptionEnabled
	_ func(*ml.Config, net.IP) error = (*ml.Config).IPAllowed
	_ func(*ml.Config) bool          = (*ml.Config).IPMustBeChecked
)

// ---------------------------------------------------------------------------
// Node, Address, Packet, events.

func nodeLiteral() ml.Node {
	n := ml.Node{
		Name:  "",
		Addr:  net.IP(nil),
		Port:  uint16(0),
		Meta:  []byte(nil),
		State: ml.StateAlive,
		PMin:  uint8(0),
		PMax:  uint8(0),
		PCur:  uint8(0),
		DMin:  uint8(0),
		DMax:  uint8(0),
		DCur:  uint8(0),
	}
	var (
		_ *string           = &n.Name
		_ *net.IP           = &n.Addr
		_ *uint16           = &n.Port
		_ *[]byte           = &n.Meta
		_ *ml.NodeStateType = &n.State
		_ *uint8            = &n.PMin
		_ *uint8            = &n.PMax
		_ *uint8            = &n.PCur
		_ *uint8            = &n.DMin
		_ *uint8            = &n.DMax
		_ *uint8            = &n.DCur
	)
	return n
}

var (
	_ func(*ml.Node) string     = (*ml.Node).Address
	_ func(*ml.Node) ml.Address = (*ml.Node).FullAddress
	_ func(*ml.Node) string     = (*ml.Node).String
	_ func(*ml.Address) string  = (*ml.Address).String
)

func smallLiterals() {
	a := ml.Address{Addr: "", Name: ""}
	var _ *string = &a.Addr
	var _ *string = &a.Name
	_ = map[ml.Address]bool{a: true} // comparable

	p := ml.Packet{Buf: nil, From: nil, Timestamp: time.Time{}}
	var _ *[]byte = &p.Buf
	var _ *net.Addr = &p.From
	var _ *time.Time = &p.Timestamp

	ev := ml.NodeEvent{Event: ml.NodeJoin, Node: &ml.Node{}}
	var _ *ml.NodeEventType = &ev.Event
	var _ **ml.Node = &ev.Node
	_ = ev == ml.NodeEvent{} // comparable

	ch := ml.ChannelEventDelegate{Ch: make(chan ml.NodeEvent)}
	var _ *chan<- ml.NodeEvent = &ch.Ch
}

var (
	_ func(*ml.ChannelEventDelegate, *ml.Node) = (*ml.ChannelEventDelegate).NotifyJoin
	_ func(*ml.ChannelEventDelegate, *ml.Node) = (*ml.ChannelEventDelegate).NotifyLeave
	_ func(*ml.ChannelEventDelegate, *ml.Node) = (*ml.ChannelEventDelegate).NotifyUpdate
	_ ml.EventDelegate                         = (*ml.ChannelEventDelegate)(nil)

	_ func(ml.NoPingResponseError) string = ml.NoPingResponseError.Error // value receiver
	_ error                               = ml.NoPingResponseError{}
	_                                     = ml.NoPingResponseError{} == ml.NoPingResponseError{}
)

// ---------------------------------------------------------------------------
// Interfaces. Assigning in both directions fixes the method set exactly.

type (
	delegateShape interface {
		NodeMeta(limit int) []byte
		NotifyMsg([]byte)
		GetBroadcasts(overhead, limit int) [][]byte
		LocalState(join bool) []byte
		MergeRemoteState(buf []byte, join bool)
	}
	eventShape interface {
		NotifyJoin(*ml.Node)
		NotifyLeave(*ml.Node)
		NotifyUpdate(*ml.Node)
	}
	conflictShape interface {
		NotifyConflict(existing, other *ml.Node)
	}
	mergeShape interface{ NotifyMerge(peers []*ml.Node) error }
	aliveShape interface{ NotifyAlive(peer *ml.Node) error }
	pingShape  interface {
		AckPayload() []byte
		NotifyPingComplete(other *ml.Node, rtt time.Duration, payload []byte)
	}
	broadcastShape interface {
		Invalidates(b ml.Broadcast) bool
		Message() []byte
		Finished()
	}
	namedShape interface {
		broadcastShape
		Name() string
	}
	uniqueShape interface {
		broadcastShape
		UniqueBroadcast()
	}
	transportShape interface {
		FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)
		WriteTo(b []byte, addr string) (time.Time, error)
		PacketCh() <-chan *ml.Packet
		DialTimeout(addr string, timeout time.Duration) (net.Conn, error)
		StreamCh() <-chan net.Conn
		Shutdown() error
	}
	nodeAwareShape interface {
		transportShape
		WriteToAddress(b []byte, addr ml.Address) (time.Time, error)
		DialAddressTimeout(addr ml.Address, timeout time.Duration) (net.Conn, error)
	}
	ingestionShape interface {
		IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error
		IngestStream(conn net.Conn) error
	}
)

var (
	_ delegateShape              = ml.Delegate(nil)
	_ ml.Delegate                = delegateShape(nil)
	_ eventShape                 = ml.EventDelegate(nil)
	_ ml.EventDelegate           = eventShape(nil)
	_ conflictShape              = ml.ConflictDelegate(nil)
	_ ml.ConflictDelegate        = conflictShape(nil)
	_ mergeShape                 = ml.MergeDelegate(nil)
	_ ml.MergeDelegate           = mergeShape(nil)
	_ aliveShape                 = ml.AliveDelegate(nil)
	_ ml.AliveDelegate           = aliveShape(nil)
	_ pingShape                  = ml.PingDelegate(nil)
	_ ml.PingDelegate            = pingShape(nil)
	_ broadcastShape             = ml.Broadcast(nil)
	_ ml.Broadcast               = broadcastShape(nil)
	_ namedShape                 = ml.NamedBroadcast(nil)
	_ ml.NamedBroadcast          = namedShape(nil)
	_ uniqueShape                = ml.UniqueBroadcast(nil)
	_ ml.UniqueBroadcast         = uniqueShape(nil)
	_ transportShape             = ml.Transport(nil)
	_ ml.Transport               = transportShape(nil)
	_ nodeAwareShape             = ml.NodeAwareTransport(nil)
	_ ml.NodeAwareTransport      = nodeAwareShape(nil)
	_ ingestionShape             = ml.IngestionAwareTransport(nil)
	_ ml.IngestionAwareTransport = ingestionShape(nil)
)

// The same interfaces, method by method.
var (
	_ func(ml.Delegate, int) []byte                                               = ml.Delegate.NodeMeta
	_ func(ml.Delegate, []byte)                                                   = ml.Delegate.NotifyMsg
	_ func(ml.Delegate, int, int) [][]byte                                        = ml.Delegate.GetBroadcasts
	_ func(ml.Delegate, bool) []byte                                              = ml.Delegate.LocalState
	_ func(ml.Delegate, []byte, bool)                                             = ml.Delegate.MergeRemoteState
	_ func(ml.EventDelegate, *ml.Node)                                            = ml.EventDelegate.NotifyJoin
	_ func(ml.EventDelegate, *ml.Node)                                            = ml.EventDelegate.NotifyLeave
	_ func(ml.EventDelegate, *ml.Node)                                            = ml.EventDelegate.NotifyUpdate
	_ func(ml.ConflictDelegate, *ml.Node, *ml.Node)                               = ml.ConflictDelegate.NotifyConflict
	_ func(ml.MergeDelegate, []*ml.Node) error                                    = ml.MergeDelegate.NotifyMerge
	_ func(ml.AliveDelegate, *ml.Node) error                                      = ml.AliveDelegate.NotifyAlive
	_ func(ml.PingDelegate) []byte                                                = ml.PingDelegate.AckPayload
	_ func(ml.PingDelegate, *ml.Node, time.Duration, []byte)                      = ml.PingDelegate.NotifyPingComplete
	_ func(ml.Broadcast, ml.Broadcast) bool                                       = ml.Broadcast.Invalidates
	_ func(ml.Broadcast) []byte                                                   = ml.Broadcast.Message
	_ func(ml.Broadcast)                                                          = ml.Broadcast.Finished
	_ func(ml.NamedBroadcast) string                                              = ml.NamedBroadcast.Name
	_ func(ml.UniqueBroadcast)                                                    = ml.UniqueBroadcast.UniqueBroadcast
	_ func(ml.Transport, string, int) (net.IP, int, error)                        = ml.Transport.FinalAdvertiseAddr
	_ func(ml.Transport, []byte, string) (time.Time, error)                       = ml.Transport.WriteTo
	_ func(ml.Transport) <-chan *ml.Packet                                        = ml.Transport.PacketCh
	_ func(ml.Transport, string, time.Duration) (net.Conn, error)                 = ml.Transport.DialTimeout
	_ func(ml.Transport) <-chan net.Conn                                          = ml.Transport.StreamCh
	_ func(ml.Transport) error                                                    = ml.Transport.Shutdown
	_ func(ml.NodeAwareTransport, []byte, ml.Address) (time.Time, error)          = ml.NodeAwareTransport.WriteToAddress
	_ func(ml.NodeAwareTransport, ml.Address, time.Duration) (net.Conn, error)    = ml.NodeAwareTransport.DialAddressTimeout
	_ func(ml.IngestionAwareTransport, net.Conn, net.Addr, time.Time, bool) error = ml.IngestionAwareTransport.IngestPacket
	_ func(ml.IngestionAwareTransport, net.Conn) error                            = ml.IngestionAwareTransport.IngestStream
)

// ---------------------------------------------------------------------------
// Transports.

func netTransportConfigLiteral(l *log.Logger) {
	c := ml.NetTransportConfig{
		BindAddrs:    []string{"127.0.0.1"},
		BindPort:     0,
		Logger:       l,
		MetricLabels: []metrics.Label{{Name: "n", Value: "v"}},
	}
	var (
		_ *[]string        = &c.BindAddrs
		_ *int             = &c.BindPort
		_ **log.Logger     = &c.Logger
		_ *[]metrics.Label = &c.MetricLabels
	)
}

var (
	_ ml.NodeAwareTransport      = (*ml.NetTransport)(nil)
	_ ml.IngestionAwareTransport = (*ml.NetTransport)(nil)
	_ ml.NodeAwareTransport      = (*ml.MockTransport)(nil)
	_ ml.IngestionAwareTransport = (*ml.MockTransport)(nil)
	_ net.Addr                   = (*ml.MockAddress)(nil)

	_ func(*ml.NetTransport) int                                          = (*ml.NetTransport).GetAutoBindPort
	_ func(*ml.NetTransport, string, int) (net.IP, int, error)            = (*ml.NetTransport).FinalAdvertiseAddr
	_ func(*ml.NetTransport, []byte, string) (time.Time, error)           = (*ml.NetTransport).WriteTo
	_ func(*ml.NetTransport, []byte, ml.Address) (time.Time, error)       = (*ml.NetTransport).WriteToAddress
	_ func(*ml.NetTransport) <-chan *ml.Packet                            = (*ml.NetTransport).PacketCh
	_ func(*ml.NetTransport, net.Conn, net.Addr, time.Time, bool) error   = (*ml.NetTransport).IngestPacket
	_ func(*ml.NetTransport, string, time.Duration) (net.Conn, error)     = (*ml.NetTransport).DialTimeout
	_ func(*ml.NetTransport, ml.Address, time.Duration) (net.Conn, error) = (*ml.NetTransport).DialAddressTimeout
	_ func(*ml.NetTransport) <-chan net.Conn                              = (*ml.NetTransport).StreamCh
	_ func(*ml.NetTransport, net.Conn) error                              = (*ml.NetTransport).IngestStream
	_ func(*ml.NetTransport) error                                        = (*ml.NetTransport).Shutdown

	_ func(*ml.MockNetwork, string) *ml.MockTransport                      = (*ml.MockNetwork).NewTransport
	_ func(*ml.MockAddress) string                                         = (*ml.MockAddress).Network
	_ func(*ml.MockAddress) string                                         = (*ml.MockAddress).String
	_ func(*ml.MockTransport, string, int) (net.IP, int, error)            = (*ml.MockTransport).FinalAdvertiseAddr
	_ func(*ml.MockTransport, []byte, string) (time.Time, error)           = (*ml.MockTransport).WriteTo
	_ func(*ml.MockTransport, []byte, ml.Address) (time.Time, error)       = (*ml.MockTransport).WriteToAddress
	_ func(*ml.MockTransport) <-chan *ml.Packet                            = (*ml.MockTransport).PacketCh
	_ func(*ml.MockTransport, net.Conn, net.Addr, time.Time, bool) error   = (*ml.MockTransport).IngestPacket
	_ func(*ml.MockTransport, string, time.Duration) (net.Conn, error)     = (*ml.MockTransport).DialTimeout
	_ func(*ml.MockTransport, ml.Address, time.Duration) (net.Conn, error) = (*ml.MockTransport).DialAddressTimeout
	_ func(*ml.MockTransport) <-chan net.Conn                              = (*ml.MockTransport).StreamCh
	_ func(*ml.MockTransport, net.Conn) error                              = (*ml.MockTransport).IngestStream
	_ func(*ml.MockTransport) error                                        = (*ml.MockTransport).Shutdown
)

// ---------------------------------------------------------------------------
// Broadcast queue.

func queueLiteral() {
	q := ml.TransmitLimitedQueue{
		NumNodes:       func() int { return 1 },
		RetransmitMult: 1,
	}
	var (
		_ *func() int = &q.NumNodes
		_ *int        = &q.RetransmitMult
	)
}

var (
	_ func(*ml.TransmitLimitedQueue, ml.Broadcast)      = (*ml.TransmitLimitedQueue).QueueBroadcast
	_ func(*ml.TransmitLimitedQueue, int, int) [][]byte = (*ml.TransmitLimitedQueue).GetBroadcasts
	_ func(*ml.TransmitLimitedQueue) int                = (*ml.TransmitLimitedQueue).NumQueued
	_ func(*ml.TransmitLimitedQueue, int)               = (*ml.TransmitLimitedQueue).Prune
	_ func(*ml.TransmitLimitedQueue)                    = (*ml.TransmitLimitedQueue).Reset
)

// ---------------------------------------------------------------------------
// Keyring.

var (
	_ func(*ml.Keyring, []byte) error = (*ml.Keyring).AddKey
	_ func(*ml.Keyring, []byte) error = (*ml.Keyring).UseKey
	_ func(*ml.Keyring, []byte) error = (*ml.Keyring).RemoveKey
	_ func(*ml.Keyring) [][]byte      = (*ml.Keyring).GetKeys
	_ func(*ml.Keyring) (key []byte)  = (*ml.Keyring).GetPrimaryKey
)

// Types used as zero values by programs in the wild.
var (
	_ ml.Memberlist  // json.Marshal of it must stay "{}"
	_ ml.Keyring     // usable empty ring
	_ ml.MockNetwork // usable without a constructor
	_ ml.MockTransport
	_ ml.MockAddress
	_ ml.NetTransport
	_ struct{ q ml.TransmitLimitedQueue } // embedded by value in other structs
	_ interface{ ml.NodeAwareTransport }  // embedded in other interfaces
	_ struct{ *ml.Node }                  // embedded by pointer
)

// ---------------------------------------------------------------------------
// Facts that need to run.

func main() {
	bad := failures()
	for _, what := range bad {
		fmt.Println("FAIL:", what)
	}
	if len(bad) > 0 {
		os.Exit(1)
	}
	fmt.Println("ok")
}

// failures returns each fact that differs.
func failures() (bad []string) {
	typedConstants()
	_ = configLiteral
	_ = nodeLiteral()
	smallLiterals()
	netTransportConfigLiteral(nil)
	queueLiteral()

	check := func(ok bool, what string) {
		if !ok {
			bad = append(bad, what)
		}
	}
	// Receivers: only the pointer has the method, so a value prints as a struct.
	_, ok := any(ml.Address{}).(fmt.Stringer)
	check(!ok, "Address (value) must not implement fmt.Stringer")
	_, ok = any(ml.Node{}).(fmt.Stringer)
	check(!ok, "Node (value) must not implement fmt.Stringer")
	_, ok = any(ml.MockAddress{}).(net.Addr)
	check(!ok, "MockAddress (value) must not implement net.Addr")
	_, ok = any(ml.StateAlive).(fmt.Stringer)
	check(!ok, "NodeStateType has no String method in the reference: %v prints a digit")
	_, ok = any(ml.NodeJoin).(fmt.Stringer)
	check(!ok, "NodeEventType has no String method in the reference: %v prints a digit")

	// JSON views that status pages of other programs expose.
	b, err := json.Marshal(new(ml.Memberlist))
	check(err == nil && string(b) == "{}", "json of *Memberlist must be {}: "+string(b))
	b, err = json.Marshal(&ml.Node{Name: "a", Addr: net.IPv4(127, 0, 0, 1), Port: 7})
	check(err == nil && string(b) == `{"Name":"a","Addr":"127.0.0.1","Port":7,"Meta":null,"State":0,"PMin":0,"PMax":0,"PCur":0,"DMin":0,"DMax":0,"DCur":0}`,
		"json of *Node: "+string(b))

	// Config fields that a field-walking test of another program would see.
	n := 0
	v := reflect.ValueOf(ml.Config{})
	for i := 0; i < v.NumField(); i++ {
		if v.Field(i).CanInterface() {
			n++
		}
	}
	check(n == 48, fmt.Sprintf("Config has %d directly exported fields, the reference has 48", n))

	return bad
}
