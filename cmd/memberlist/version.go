package main

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/swimguard/memberlist"
)

func versionCommand(args []string, std streams) int {
	if status, ok := parseFlags(flag.NewFlagSet("version", flag.ContinueOnError), args, std); !ok {
		return status
	}
	fmt.Fprintf(std.out, "memberlist %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(std.out, "protocol versions %d to %d\n", memberlist.ProtocolVersionMin, memberlist.ProtocolVersionMax)
	return exitOK
}

// buildVersion is the version of the module this binary was built from, which
// only exists when it was built from a tagged or committed state.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
