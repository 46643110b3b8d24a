package memberlist

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestJoinStayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net MockNetwork
		a, err := Create(testConfig(&net, "a"))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Shutdown()
		b, err := Create(testConfig(&net, "b"))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Shutdown()
		n, err := b.Join([]string{"a/" + a.LocalNode().Address()})
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		if a.NumMembers() != 2 || b.NumMembers() != 2 {
			t.Fatal(a.NumMembers(), b.NumMembers())
		}
		time.Sleep(time.Minute)
		if a.NumMembers() != 2 || b.NumMembers() != 2 {
			t.Fatal(a.NumMembers(), b.NumMembers())
		}
		if err := b.Leave(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if a.NumMembers() != 1 {
			t.Fatal(a.NumMembers())
		}
	})
}
