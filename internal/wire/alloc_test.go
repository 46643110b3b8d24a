package wire

import (
	"fmt"
	"strings"
	"testing"
)

// fullMessages are messages as they are sent, with every field in use.
func fullMessages() []message {
	name, addr := []byte("node-a.example"), []byte{192, 0, 2, 7}
	vsn := []byte{1, 5, 2, 0, 0, 0}
	return []message{
		&Ping{70000, name, addr, 7946, name},
		&IndirectPing{70000, addr, 7946, name, true, addr, 7946, name},
		&Ack{70000, []byte("payload")},
		&Nack{70000},
		&Suspect{300, name, name},
		&Dead{300, name, name},
		&Alive{300, name, addr, 7946, []byte("meta"), vsn},
		&NodeState{name, addr, 7946, []byte(strings.Repeat("m", 100)), 300, 3, vsn},
		&PushPullHeader{1000, 100000, true},
		&UserHeader{100000},
		&ErrorResponse{[]byte("remote state is encrypted and encryption is not configured")},
		&Compressed{AlgoLZW, make([]byte, 1000)},
	}
}

// TestAllocations is the budget of the packet path: none.
func TestAllocations(t *testing.T) {
	budget := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	buf := make([]byte, 0, 8192)
	for _, m := range fullMessages() {
		budget(fmt.Sprintf("%T.Append", m), func() { buf = m.Append(buf[:0]) })
		body := buf
		if _, bare := m.(*NodeState); !bare {
			body = buf[1:]
		}
		budget(fmt.Sprintf("%T.Decode", m), func() {
			if _, err := m.Decode(body); err != nil {
				t.Fatal(err)
			}
		})
	}
	budget("AppendLabel", func() { buf, _ = AppendLabel(buf[:0], "blue") })
	budget("CutLabel", func() { _, _, _ = CutLabel(buf) })
	buf = buf[:100]
	budget("PutChecksum", func() { PutChecksum(buf) })
	budget("CutChecksum", func() { _, _ = CutChecksum(buf) })
	msgs := [][]byte{make([]byte, 60), make([]byte, 40), make([]byte, 20)}
	budget("AppendCompound", func() { buf = AppendCompound(buf[:0], msgs) })
	budget("Parts", func() {
		p, err := Parts(buf[1:])
		if err != nil {
			t.Fatal(err)
		}
		for _, ok := p.Next(); ok; _, ok = p.Next() {
		}
	})
	name := "node-a"
	budget("Bytes", func() { buf = Suspect{1, Bytes(name), Bytes("")}.Append(buf[:0]) })
}

func TestBytes(t *testing.T) {
	if got := Bytes("node-a"); string(got) != "node-a" || cap(got) != len(got) {
		t.Errorf("%q with room for %d", got, cap(got))
	}
	if got := Bytes(""); got == nil || len(got) != 0 {
		t.Errorf("of the empty string: %#v", got)
	}
}
