// Package dskit runs the key-value store of Grafana's dskit
// (github.com/grafana/dskit/kv/memberlist, under Loki, Mimir and Tempo),
// unmodified, on this library: its go.mod replaces
// github.com/hashicorp/memberlist by the module dropin, where dskit's own names
// Grafana's fork. It has tests only: three stores replicate a ring.
//
//	make test   that, and the tests of dskit's own package on this library; a minute
package dskit
