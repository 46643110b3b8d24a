package memberlisttest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

func TestEventsRemember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e memberlisttest.Events
		node := func(name string, state memberlist.NodeStateType) *memberlist.Node {
			return &memberlist.Node{Name: name, State: state}
		}
		start := time.Now()
		e.NotifyJoin(node("a", memberlist.StateAlive))
		e.NotifyUpdate(node("b", memberlist.StateAlive))
		time.Sleep(time.Second)
		e.NotifyLeave(node("a", memberlist.StateDead))
		e.NotifyLeave(node("b", memberlist.StateLeft))
		if got := fmt.Sprint(e.All()); got != "[join a update b fail a leave b]" {
			t.Errorf("All() = %s", got)
		}
		if got := fmt.Sprint(e.About("a")); got != "[join a fail a]" {
			t.Errorf("About(a) = %s", got)
		}
		if got := e.All()[2].Time.Sub(start); got != time.Second {
			t.Errorf("third event after %v", got)
		}
		e.Reset()
		if got := e.All(); len(got) != 0 {
			t.Errorf("after Reset: %v", got)
		}
	})
}
