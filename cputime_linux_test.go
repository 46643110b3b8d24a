package memberlist

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// waitedForCPU is how long the threads of this process together have been ready
// to run so far while every processor was busy. Zero if the kernel does not
// count it.
func waitedForCPU() (sum time.Duration) {
	threads, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, name := range threads {
		b, _ := os.ReadFile(name) // a thread may have ended
		var ran, waited time.Duration
		fmt.Sscan(string(b), &ran, &waited)
		sum += waited
	}
	return sum
}
