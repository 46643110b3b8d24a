package memberlist

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestGate(t *testing.T) {
	var g gate
	for range 2 {
		if !g.enter() {
			t.Fatal("an open gate turns somebody away")
		}
	}
	g.leave()
	g.close()
	if g.enter() {
		t.Error("a closed gate lets somebody in")
	}
	left := g.left()
	select {
	case <-left:
		t.Error("somebody is inside, and left is closed")
	default:
	}
	if g.enter() {
		t.Error("a closed gate lets somebody in")
	}
	g.leave()
	<-left
	<-g.left() // also when nobody is inside any more
}

// Whoever gets in is waited for, and nobody gets in afterwards.
func TestGateClosesBehindTheLast(t *testing.T) {
	for range 200 {
		var g gate
		var inside atomic.Int64
		var goroutines sync.WaitGroup
		begin := make(chan struct{})
		for range 4 {
			goroutines.Go(func() {
				<-begin
				for g.enter() {
					inside.Add(1)
					inside.Add(-1)
					g.leave()
				}
			})
		}
		close(begin)
		g.close()
		<-g.left()
		if n := inside.Load(); n != 0 {
			t.Fatalf("%d inside a gate that all have left", n)
		}
		goroutines.Wait()
	}
}
