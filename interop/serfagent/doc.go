// Package serfagent puts a plain node of this library into a cluster of Serf
// agents: real processes, built from github.com/hashicorp/serf/cmd/serf as it
// was published, on the original memberlist. It has tests only.
//
// A plain node is a member for Serf, under these conditions and with these
// limits:
//
//   - It announces delegate versions that Serf understands, 2 to 5 in Serf
//     v0.11.0. With 0, the default, Serf's memberlist refuses every exchange with it.
//   - Its tags are what Serf finds in its metadata: the byte 255 and then a map
//     of strings in msgpack. Anything else is the tag "role".
//   - Serf tells a leave from a failure by a message of its own, which precedes
//     memberlist's. A plain node has to send it, or its leave counts as a failure.
//   - It hears Serf's events and queries as user messages, and passes none on.
package serfagent
