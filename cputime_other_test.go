//go:build !unix

package memberlist

import "time"

// cpuTime is wall time, which comes closest to processor time where that is not known.
func cpuTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
