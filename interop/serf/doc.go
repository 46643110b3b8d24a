// Package serf runs github.com/hashicorp/serf, unmodified, on this library: its
// go.mod replaces github.com/hashicorp/memberlist by the module dropin, which is
// all that a program which uses Serf has to do. It has tests only. A nested
// module with that directive is a copy of nothing: Serf comes from the module
// cache as it was published.
//
//	go test .                                the life of a cluster of three
//	go test github.com/hashicorp/serf/serf   Serf's own tests, on this library
//
// A few of Serf's own tests wait for fixed times and fail now and then under
// load, with the original as well: docs/interop.md of the root module says which.
package serf
