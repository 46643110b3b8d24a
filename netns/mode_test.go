package netns

import "flag"

// Values of the flag -netns.
const (
	modeOff   = "off"
	modeQuick = "quick"
	modeFull  = "full"
)

var mode = flag.String("netns", modeOff, "scenarios to run: off, quick or full")
