// Package bench measures this module against hashicorp/memberlist v0.7.0: one
// set of benchmarks, written against the API that both export, compiled twice.
// The build tag incumbent chooses the other one. The command vs runs both
// alternately and prints the ratios.
//
// It is a module of its own so that the incumbent never enters the module
// graph of a program that uses ours.
package bench
