// Package alertmanager runs the gossip cluster of Prometheus Alertmanager,
// unmodified, on this library: its go.mod replaces
// github.com/hashicorp/memberlist by the module dropin. It has tests only:
// silences spread among three peers, over UDP and TCP and over Alertmanager's own
// TLS transport.
//
//	go test .
//	go test github.com/prometheus/alertmanager/cluster   its own tests, on this library
package alertmanager
