//go:build !linux

package memberlist

import "time"

// waitedForCPU is not known here.
func waitedForCPU() time.Duration { return 0 }
