// Package testkit is what the tests of this module and of the modules nested in
// it share: waiting, logging and free ports on real sockets and clocks, and the
// proof that a program was built on this library.
package testkit
