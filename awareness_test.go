package memberlist

import (
	"testing"
	"time"
)

func TestAwarenessStaysInRange(t *testing.T) {
	a := awareness{max: 8}
	for _, tt := range []struct {
		delta, score int
		changed      bool
	}{{-1, 0, false}, {1, 1, true}, {3, 4, true}, {9, 7, true}, {1, 7, false}, {0, 7, false}, {-1, 6, true}, {-99, 0, true}} {
		if changed := a.apply(tt.delta); changed != tt.changed || a.score != tt.score {
			t.Errorf("apply(%d): score %d changed %v, want %d %v", tt.delta, a.score, changed, tt.score, tt.changed)
		}
	}
}

// TestAwarenessOfOne: a multiplier of 1 switches the mechanism off, and 0 must
// not make deadlines vanish (H25).
func TestAwarenessOfOne(t *testing.T) {
	for _, limit := range []int{0, 1} {
		a := awareness{max: limit}
		if a.apply(5); a.scale(time.Second) != time.Second {
			t.Errorf("max %d: a second became %v", limit, a.scale(time.Second))
		}
	}
}

func TestAwarenessScales(t *testing.T) {
	a := awareness{max: 8}
	a.apply(2)
	if got := a.scale(500 * time.Millisecond); got != 1500*time.Millisecond {
		t.Errorf("half a second at score 2 is %v, want 1.5s", got)
	}
}
