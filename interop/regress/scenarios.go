package main

// scenario is one defect of v0.7.0.
type scenario struct {
	name string
	refs string // lines of docs/regressions.md, with commas between them
	what string

	// shows is part of what v0.7.0 prints, so that it does not count when it
	// fails for another reason.
	shows string

	// run returns what is wrong, or nothing.
	run func() string
}

var scenarios = []scenario{
	// The state machine.
	{"state", "R1, H11", "the state of who has failed", "NotifyLeave says alive", stateOfTheDead},
	{"maximum", "R2, H4", "a suspicion at the highest incarnation", "given up", suspectAtTheMaximum},
	{"stale", "R3", "alive@1, dead@1, dead@10, alive@2", "alive again", staleAlive},
	{"hearsay", "R20, H24", "three members repeat in push/pulls what one of them says", "given up after", hearsay},
	{"flapping", "R29", "a member that is heard and hears only what it asks for by stream", "events about", flapping},
	{"forms", "R96, H12", "an address of 4 bytes, then of 16", "not updated", twoFormsOfAnAddress},
	{"takeover", "R67", "a forged leave, then the name at another address with a lower incarnation", "has lost its name", takeover},
	{"cut", "R25", "a partition that outlasts every timer", "does not heal", partition},

	// Joining and leaving.
	{"left", "R35", "Join after Leave", "returned no error", joinAfterLeave},
	{"seeds", "R37", "a list of seeds that are mostly dead", "one after the other", deadSeeds},
	{"veto", "R39, H22", "a merge that the other side refuses", "joined although", refusedMerge},
	{"versions", "R44", "one member claims versions 5 to 5", "cannot join", versionPoison},
	{"versionless", "H6", "one member claims no versions", "cannot join", noVersions},
	{"after", "R87", "Leave after Shutdown", "panic:", leaveAfterShutdown},

	// Packets.
	{"tiny", "R46, H9", "300 tiny broadcasts ride on a probe", "no answer", tinyBroadcasts},
	{"long", "R47", "a part longer than 64 KB", "arrived as", longPart},
	{"size", "R48, H10", "packets full of broadcasts", "UDPBufferSize", packetSize},
	{"churn", "R50, H31", "user messages during churn", "user messages got through", starvedUsers},
	{"prune", "R52, H28", "Prune on a queue that was never used", "panic:", pruneUnused},
	{"acks", "H47", "strangers ping while there is news", "has not heard", newsSpentOnStrangers},
	{"pinned", "R55", "a thousand small messages wait for a callback", "MB for", pinnedBuffers},
	{"lzw", "R53, H42", "acks with compression on", "bytes for a ping", compressedAcks},

	// Hostile input.
	{"million", "R59, H48", "a header that announces a million members", "MB for a header", millionNodes},
	{"bomb", "R60, H3", "31 KB of compressed nothing", "MB for a packet", bomb},
	{"nothing", "R63, H2", "an encrypted stream of nothing", "panic:", encryptedNothing},
	{"padding", "R64, H1", "padding longer than the message", "panic:", longPadding},
	{"reflect", "R66, H51", "a packet of 255 pings for a third party", "packets to a third party", reflection},
	{"names", "R68, H49", "20000 forged names", "members", forgedNames},
	{"junk", "R72", "300 KB/s of decodable junk", "pings were answered", junk},
	{"http", "R75", "HTTP on the gossip port", "errors for", httpRequests},
	{"nobody", "H53", "a packet from nobody", "panic:", packetFromNobody},

	// Concurrency and lifecycle.
	{"callback", "R77, H35", "Members inside NotifyJoin", "hangs", membersInCallback},
	{"blocked", "R78", "a callback that blocks", "no answer", blockedCallback},
	{"published", "R79, H38", "a node that was returned", "changed", publishedNode},
	{"early", "R81", "a message comes while Create runs", "before NodeMeta has returned", earlyCallback},
	{"late", "R82, H39", "a suspicion runs while Shutdown returns", "after Shutdown", lateCallback},
	{"goroutines", "R83", "Shutdown during a probe", "goroutines", goroutinesLeft},
	{"syncing", "R84, H26", "Shutdown of a node that only does push/pull", "after Shutdown", pushPullGoesOn},
	{"ports", "R88, H40", "a Create that fails", "in use", portsLeft},
	{"emptyring", "R90, H27", "RemoveKey on an empty ring", "panic:", emptyKeyring},
	{"sharedring", "R90, H27", "RemoveKey while somebody reads the keys", "changed", sharedKeyring},
	{"mock", "R92", "two nodes on a MockNetwork ping each other", "hangs", mockDeadlock},
	{"stalled", "H20", "SendReliable to a peer that does not read", "hangs", stalledPeer},

	// Addresses and configuration.
	{"bind", "R94", "a BindAddr that is no IP address", "listens at", bindToAll},
	{"unspecified", "R95", "bound to ::", "advertises ::", advertisedUnspecified},
	{"port", "R97", "an address to advertise without a port", "port 0", portForgotten},
	{"zero", "R103, H25", "SuspicionMult 0", "at once", zeroMultiplier},
	{"ping", "R104", "Ping with probing off", "no answer", pingWithoutProbing},
	{"name", "R105", "an empty name", "accepted", emptyName},
	{"metadata", "R106", "one byte of metadata too many", "panic:", longMetadata},
	{"label", "R109", "a label that differs", "EOF", labelMismatch},
}
