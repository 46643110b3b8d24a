// Package memberlist tells a program which other instances of it are alive, and
// tells them about it. There is no server and no leader: every node gossips
// with a few others, and together they notice within seconds who joined, who
// left and who crashed.
//
//	list, err := memberlist.Create(memberlist.DefaultLANConfig())
//	...
//	_, err = list.Join([]string{"10.0.0.7:7946"}) // any member will do
//	...
//	for _, node := range list.Members() {
//		fmt.Println(node.Name, node.Address())
//	}
//
// The protocol is SWIM (Das, Gupta, Motivala 2002) with the suspicion
// mechanism, and Lifeguard (Dadgar, Phillips, Currey 2017), which keeps slow
// members from accusing healthy ones. Probing and gossip cost each member about
// the same in a cluster of ten and of a thousand; only the exchange of whole
// tables, twice a minute, grows with it.
//
// The rest of this page explains the protocol, then the rules for delegates,
// then the order in which to read the source.
//
// # One probe interval
//
// Every ProbeInterval (1 s in [DefaultLANConfig]) each node probes one other
// member. Whose turn it is follows from the time and from everybody's place in
// the alphabet, so that together they probe each member once per interval, by
// somebody else each time.
//
//		0             ack late                           ProbeInterval
//		├─ ping, ping ───┼─ ask 3 others to ping, try a stream ───┤ verdict
//		        ack ◄────┘       ack or nack ◄────────────────────┘
//
//	  - It sends a ping and waits for the ack: ProbeTimeout (500 ms) at most, and
//	    less for a member that is known to answer much faster. In the middle of
//	    that it sends the ping once more, which may have been lost.
//	  - Without one, it asks IndirectChecks (3) other members to ping the target
//	    on its behalf. That tells a crashed target from a bad path to it. At
//	    the same time it tries a ping over a stream, in case something on the way
//	    drops packets only. A helper that gets no ack either says so (nack).
//	  - If there is no answer by any path until the interval is over, or until all
//	    helpers have spoken, the target is a suspect.
//
// So a crashed member is a suspect after about one interval, however large the
// cluster is, and each member sends and receives about one ping per interval.
//
// # Suspicion
//
// A suspect is still a member: [Memberlist.Members] lists it, with
// [StateSuspect]. The accusation travels by gossip and reaches the suspect too,
// and with every ping to it. If it lives, it refutes: it raises its incarnation,
// a counter that only the node itself may raise, and gossips that it is alive
// under the new number, which overrules everything said about the old one.
// Right before the suspicion runs out the suspect is pinged a last time, with
// the accusation. An answer puts the verdict off; silence makes it dead, and
// NotifyLeave is called. An accuser who has missed the refutation repeats itself; so
// does the accused then, and tells the accuser directly. Whoever has missed it hears
// of the next accusation, which is about the new number: that begins a new suspicion,
// with all its time.
//
//	         join, or alive with a higher incarnation
//	  ┌────────────────────────────────────────────────┐
//	  ▼                                                │
//	alive ── a probe failed ──► suspect ── time is up ──► dead
//	  ▲                           │                     (NotifyLeave, StateDead)
//	  └──────── refutation ───────┘
//	alive ── it said goodbye ───────────────────────────► left
//	                                                    (NotifyLeave, StateLeft)
//
// For n members a suspicion lasts at least
//
//	min = SuspicionMult · max(1, log10(n)) · ProbeInterval
//
// since gossip takes longer to reach everybody in a larger cluster: 4 s up to
// ten members and 8 s at a hundred, with LAN settings.
//
// # Lifeguard
//
// The accuser may be the sick one: a process starved of CPU gets its acks too
// late and would accuse everybody. Lifeguard changes three things.
//
//   - Suspicions begin long and become short. One accuser alone has to wait
//     SuspicionMaxTimeoutMult times the minimum (24 s). Each other member whose own
//     probe failed brings the end closer; SuspicionMult-2 of them (2) bring it down to
//     the minimum. If a member really crashed, the others notice within a few
//     intervals, and it is as quick as before.
//   - A node rates its own health, 0 being good ([Memberlist.GetHealthScore]). A failed
//     probe, a helper that did not even send a nack, an accusation it
//     had to refute make it worse, a successful probe better. Its probes then last as
//     many intervals longer.
//   - A suspect is told with the next ping, ahead of other gossip.
//
// Two more things that go wrong at home are not held against others. A node
// whose process did not run for a while (suspended, starved) finds all its
// deadlines passed: it gives the others the lost time back. And a node that
// hears nobody at all, not even a nack, is the one that is cut off: for the
// length of the shortest suspicion it accuses nobody. After that, or when those
// it accuses refute one after the other, its judgement is in doubt
// ([Memberlist.Doubtful]): for a minute it accuses one member in eight intervals.
//
// # Gossip
//
// News (alive, suspect, dead) and user messages wait in a queue. They ride on
// every ping and ack, and gossip sends what is waiting to GossipNodes (3)
// members at a time: once per GossipInterval (200 ms) on average, in quick
// bursts after a quiet time. Half of these members are random; the others are chosen
// so that nobody is left out by bad luck. Each piece is sent RetransmitMult times the
// logarithm of the cluster size and then dropped; with these numbers practically
// everybody has heard it. What a node learns by joining it sends a third as often,
// because most others know, and news of newcomers a little less often, because these
// exchange tables soon. The least often sent comes first, so fresh news is never
// stuck behind old, and news about a member replaces older news about it.
//
// The user's part of a packet is what Delegate.GetBroadcasts returns;
// [TransmitLimitedQueue] is the same kind of queue for it. The library sends a
// user message to other members but does not pass received ones on: a program
// that wants a message to reach everybody queues it again when it hears it first.
//
// # Push/pull
//
// Every PushPullInterval (30 s) a node exchanges its whole table with one random
// other member, over a stream, and so repairs what gossip missed. [Memberlist.Join]
// is the same exchange with an address instead of a member; the program may send data of its
// own along (Delegate.LocalState and MergeRemoteState). What the other side calls
// dead is only suspected here, so that a living node gets its chance to refute.
//
// # Healing
//
// Members lost by failure are pinged now and then for days (HealInterval,
// HealTimeout), and so are addresses given to Join that have never answered. An
// answer leads to a push/pull. So the two halves of a partition find each other
// again, however long it lasted, and a node may be started before its seeds.
// Members that left are not looked for; [Memberlist.Forget] ends the search for
// one that failed.
//
// # Members that come and go
//
// A member that fails again and again costs its users more than one that is
// gone. The first two failures within minutes, and the returns, are reported as
// they happen. After the third the member is held down: it is a member to the
// protocol, but neither Members nor an event shows it until it has stayed for
// half a minute (FlapHold), and twice as long after each further failure, up to ten minutes.
// [Explanation.HeldUntil] tells. A failure counts half after five minutes.
//
// A node that hears nobody refutes in advance what will be said about it, in
// case it can be heard itself: a fault in one direction is borne for three of the
// shortest suspicion timeouts instead of one.
//
// # Why
//
// [Memberlist.Explain] tells what a node found out about a member since it was
// last in doubt: which probes failed, who accused it, how long it had to refute.
// An EventDelegate that is a [VerdictDelegate] too is given this with each leave.
//
// # Delegates
//
// A program takes part through the interfaces in [Config]. No lock is held while
// its code runs.
//
//	method                               is a  runs on                         may call
//	NotifyJoin, NotifyLeave,             tell  one goroutine, one at a time,   everything
//	NotifyUpdate, NotifyConflict,              in the order decided
//	NotifyPingComplete
//	NotifyMsg                            tell  one goroutine for packets,      everything
//	                                           one per stream
//	MergeRemoteState                     tell  that of the exchange or Join    everything
//	NotifyAlive                          veto  packet reader, exchange, Join,  what does not wait
//	                                           Create, UpdateNode
//	NotifyMerge                          veto  that of the exchange or Join    what does not wait
//	NodeMeta                             ask   caller of Create, UpdateNode    what does not wait
//	LocalState                           ask   that of the exchange or Join    what does not wait
//	GetBroadcasts, AckPayload            ask   packet path: must not block     what does not wait
//
// What does not wait: Members, NumMembers, LocalNode, GetHealthScore,
// ProtocolVersion, SendBestEffort, SendToAddress, and every method of
// TransmitLimitedQueue. What waits: Join, Leave, UpdateNode, Ping, SendReliable and
// Shutdown.
//
// Code that is told something may take its time: that delays what else it is
// told, but the node goes on answering pings, probing and refuting. When more than
// a thousand events wait ([Memberlist.EventBacklog]), further ones are put together:
// a member's newest metadata is told once, that it came and went meanwhile is not
// told, nor are conflicts and round trips. User messages from packets are dropped
// beyond HandoffQueueDepth, and counted.
//
// Members, NumMembers and LocalNode show a change once its event has been
// delivered, not earlier. So whoever finds a new member there knows that
// NotifyJoin has returned for it. The other way round: inside NotifyJoin(n) the list does
// not contain n yet. [Create], Join, Leave and UpdateNode return after the
// events that they caused, unless called from within an event.
//
// A [Node] never changes once the program has seen it, and may be kept, read
// from any goroutine, but not modified. Ask again for news.
//
// # Security
//
// Without keys, whoever can send packets to the port can join and can declare
// members dead. With SecretKey or a [Keyring], packets and streams are encrypted
// and authenticated with AES-GCM. Keys are rotated while the cluster runs: add the
// new key everywhere, then use it everywhere, then remove the old one
// everywhere. A Label keeps clusters apart that could meet by accident; it is no
// secret. There is no protection against replayed packets.
//
// # Reading the source
//
// The protocol is one struct without goroutines, locks, clocks or sockets. Its
// methods take a message or the time and leave behind what is to be done. Around it
// lies a shell that owns everything which waits. Read in this order:
//
//	node.go, effects.go       what a member is; what one step of the protocol asks for
//	swim.go                   the protocol's state and its inputs
//	state.go, table.go,       who is alive, suspect, dead or left, and why;
//	names.go                  how members are found by name
//	probe.go, rtt.go          the failure detector; when an ack is late
//	suspicion.go, verify.go,  how long a suspicion lasts; the last look before a death;
//	move.go                   a name that comes back at another address
//	hold.go                   members that users are not told of yet
//	awareness.go, pause.go,   how healthy this node is; when it did not run or is deaf;
//	brake.go                  when its judgement is in doubt
//	gossip.go, broadcast.go   what to tell whom next
//	pushpull.go, heal.go      merging a whole table; looking for lost members
//	explain.go                the evidence for a verdict
//	memberlist.go, step.go    the shell: the API; how a step is run and performed
//	net.go, stream.go         packets and streams, from bytes to messages and back
//	events.go, users.go,      telling delegates, in order, holding no lock
//	turns.go
//	callbacks.go              asking delegates
//	transport.go              what carries packets and streams; net_transport.go for UDP and TCP
//	internal/wire             messages as bytes
//
// Package memberlisttest has a network in memory for the tests of programs that use
// this package. The command in cmd/memberlist shows all of it at work:
//
//	go run github.com/swimguard/memberlist/cmd/memberlist@latest demo
package memberlist
