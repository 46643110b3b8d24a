// Package memberlisttest is a network in memory for testing programs that use
// memberlist. It delays, loses, doubles and reorders packets, cuts links in
// one direction, partitions and heals, and pauses nodes, all from one seed.
//
// Inside a testing/synctest bubble a cluster lives hours in a moment, and
// synctest.Wait takes the place of sleeping and polling:
//
//	func TestPartitionHeals(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			network := memberlisttest.New(memberlisttest.Options{Seed: 1,
//				Faults: memberlisttest.Faults{Latency: time.Millisecond}})
//			defer network.Close()
//			conf := memberlist.DefaultLANConfig()
//			conf.Name = "a"
//			conf.Transport = network.Transport("a")
//			a, err := memberlist.Create(conf) // and b the same way; then b.Join
//			...
//			network.Partition([]string{"a"}) // a alone, the others together
//			time.Sleep(time.Minute)          // the cluster's minute, not yours
//			synctest.Wait()                  // until all have done what they had to do
//			if a.NumMembers() != 1 { ... }
//		})
//	}
//
// The network is made inside the bubble. Everything in it ends with
// [Network.Close], and a node's part with its Transport's Shutdown, which
// Memberlist.Shutdown calls. Outside a bubble the same network runs in real time.
//
// # What is simulated
//
// Each node has one address. Packets go to addresses as datagrams do: what
// cannot be delivered is dropped, and [Network.Stats] say why. Streams are
// reliable: cuts and pauses hold them up, and their deadlines and dial
// timeouts work. A dial to an address where nobody listens is refused.
//
// [Faults] belong to a direction between two names, and can be changed while
// the cluster runs: [Network.SetFaults] for all, [Network.SetLink] for one.
// [Network.Cut], [Network.Partition] and [Network.Heal] say who can reach whom;
// [Network.Pause] and [Network.Resume] suspend a node.
//
// # Repeatability
//
// Each direction between two names has its own randomness, derived from
// Options.Seed. Whether a packet is lost, doubled or delayed depends on the
// seed, the two names and how many packets went that way before: with the same
// seed, the n-th packet from a to b meets the same fate. Packets that
// arrive at the same instant are delivered in an order fixed by the senders'
// names. A Memberlist draws its own random numbers, so two runs of a whole
// cluster agree in what the network does to the n-th packet of a link, not in
// what that packet says.
package memberlisttest
