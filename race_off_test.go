//go:build !race

package memberlist

// raceEnabled: the race detector is on, so allocations cannot be counted.
const raceEnabled = false
