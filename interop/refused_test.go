package interop

import (
	"errors"
	"testing"

	memberlist "github.com/swimguard/memberlist"
)

// TestRefusedJoins: nodes that are configured differently stay apart, whichever
// kind dials, and a dialer of ours can match why.
func TestRefusedJoins(t *testing.T) {
	plain := func(*setup) {}
	label := func(l string) func(*setup) { return func(s *setup) { s.label = l } }
	key := func(k []byte) func(*setup) { return func(s *setup) { s.keyring, s.keys = true, [][]byte{k} } }
	outgoingPlain := func(s *setup) { key(key16)(s); s.verifyOut = false }
	for _, tc := range []struct {
		name             string
		dialer, listener func(*setup)
		want             error
	}{
		{"wrong key", key(key16), key(key32), memberlist.ErrDecrypt},
		{"wrong label", label("blue"), label("pink"), memberlist.ErrLabelMismatch},
		{"no label", plain, label("pink"), memberlist.ErrLabelMismatch},
		{"a label too many", label("blue"), plain, memberlist.ErrLabelMismatch},
		{"only the listener encrypts", plain, key(key16), memberlist.ErrEncryptionNotConfigured},
		{"the listener insists on encryption and answers in plaintext", plain, outgoingPlain, memberlist.ErrNotEncrypted},
		{"only the dialer encrypts", key(key16), plain, memberlist.ErrNotEncrypted},
	} {
		for _, k := range []kind{ours, theirs} {
			t.Run(k.String()+" dials/"+tc.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := newCluster(t, newMemory(), modes[0], fakePace, proportion{1, 1, k})
					defer c.close()
					tc.dialer(&c.plan[0])
					tc.listener(&c.plan[1])
					c.start()
					dialer, listener := c.nodes[0], c.nodes[1]
					err := dialer.join(listener.addr())
					if err == nil {
						t.Fatal("joined")
					}
					if k == ours && !errors.Is(err, tc.want) {
						t.Errorf("the dialer sees %v, want %v", err, tc.want)
					}
					c.wait(2 * c.unit)
					if n, m := len(dialer.members()), len(listener.members()); n != 1 || m != 1 {
						t.Errorf("%d and %d members", n, m)
					}
				})
			})
		}
	}
}
