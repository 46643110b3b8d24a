// Package interop lets nodes of this library and of
// github.com/hashicorp/memberlist v0.7.0 form one cluster, in every mode and
// proportion. It has nothing but tests; its dependencies stay out of the root
// module.
//
//	make test   a sample: every mode, in memory and on sockets; two minutes
//	make full   every proportion of 2 to 12 nodes in every mode: a quarter of
//	            an hour in memory, hours on sockets
//
// TestMemory runs whole clusters on a network in memory and a fake clock, one
// after the other. TestSockets runs them on loopback and the real clock, all at
// the same time: nearly all they do is wait. TestRolling replaces a cluster of
// the incumbent node by node by ours, and back, in both ways.
//
// What a mode is stands in mode_test.go, what is checked in check_test.go. On
// the fake clock the checks are exact: a suspicion that nobody should have, a
// nack that does not count, a leave that a probe finds out first are failures.
// On the real clock what takes long is forgiven, since the machine may be busy,
// and what never comes is not.
//
// What a full run found is in docs/interop.md of the root module.
package interop
