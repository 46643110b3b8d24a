// Package netns runs agents (cmd/memberlist) on real networks: each in a Linux
// network namespace of its own, joined by a bridge that is in a namespace too.
// It has nothing but tests; `make netns` in the root runs them:
//
//	go test -v . -netns=full     every scenario, three minutes
//	go test -v . -netns=quick    a few, in less than a minute, for CI
//	go test -v . -netns=full -run /kill
//
// It needs Linux with namespaces (root, or user namespaces for everybody), ip
// and nft, and says so and skips when they are missing. Loss, delay, reordering
// and duplication are the kernel's (tc netem) where it has that, and otherwise
// those of a wire in this package, see line_test.go; the output says which.
//
// Nothing here touches the network of the host. The test program starts itself
// again in new namespaces for the network and for processes, and all bridges,
// cables, rules and agents are made inside. It is the first process of that
// process namespace, so that the kernel ends every agent when it ends, however
// that comes about, and with the last process the networks are gone as well.
// Addresses are from the ranges for benchmarks and for documentation.
package netns
