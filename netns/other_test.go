//go:build !linux

package netns

import (
	"fmt"
	"testing"
)

func TestScenarios(t *testing.T) {
	fmt.Println("netns: SKIPPED: network namespaces need Linux")
	t.Skip("network namespaces need Linux")
}
