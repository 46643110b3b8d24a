//go:build unix

package memberlist

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used so far: unlike wall
// time it does not depend on what else the machine does.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
