package main

import (
	"testing"

	ml "github.com/swimguard/memberlist"
)

// That this file compiles is most of the test.
func TestGrafanaFieldsDefaultToZero(t *testing.T) {
	for _, c := range []*ml.Config{ml.DefaultLANConfig(), ml.DefaultWANConfig(), ml.DefaultLocalConfig()} {
		configFields(c)
		if c.CompressionAlgorithm != "" || c.PushPullNodes != 0 || c.NodeSelection != nil {
			t.Errorf("%q %d %v", c.CompressionAlgorithm, c.PushPullNodes, c.NodeSelection)
		}
	}
	nodeState()
}
