// Package detect compares this library with the one whose place it takes,
// github.com/hashicorp/memberlist, in one process: whole clusters of both run
// the same scenarios, with the same seeds and the library's own defaults, on
// the same network in memory and a virtual clock. It has tests only.
//
//	go test .                    the small scenarios, with their targets asserted
//	go test . -full -timeout 5h  everything, and the tables of docs/detection.md
//	go test . -full -run Crash   one table; -seeds 5 makes five runs of each row
//	go test . -full -run Interval -c 16 -d 16384 -i 64,4096
//	                             part of the grid of the Lifeguard experiments
//	go test . -system ours       without the incumbent; also: incumbent, mixed, tolerance
//
// The scenarios are those of sim_detect_test.go in the root of the repository,
// which runs the core alone and can therefore repeat them more often.
package detect
