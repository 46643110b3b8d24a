package memberlist

import (
	"fmt"
	"net"
	"strings"
)

// ParseCIDRs reads networks such as 10.0.0.0/8 or fd00::/8 for
// Config.CIDRsAllowed; surrounding spaces are ignored. It always returns all
// networks that it could read, never nil, and if there were others an error
// that names each of them and whose Unwrap returns one error for each.
func ParseCIDRs(v []string) ([]net.IPNet, error) {
	networks := make([]net.IPNet, 0, len(v))
	var bad errorList
	for _, s := range v {
		_, network, err := net.ParseCIDR(strings.TrimSpace(s))
		if err != nil {
			bad = append(bad, fmt.Errorf("invalid cidr: %s", s))
			continue
		}
		networks = append(networks, *network)
	}
	if bad != nil {
		return networks, bad
	}
	return networks, nil
}
