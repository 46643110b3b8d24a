package interop

import (
	"bytes"
	"slices"
	"time"
)

// mode is a way of speaking on the wire. In a migration half of the nodes have
// migrated already when the checks run, and the others follow afterwards.
type mode struct {
	name      string
	configure func(s *setup, migrated bool)
	// migrate, if set, completes the migration of the running cluster.
	migrate func(c *cluster)
}

var (
	key16 = bytes.Repeat([]byte("0123456789abcdef"), 1)
	key24 = []byte("0123456789abcdef01234567")
	key32 = bytes.Repeat([]byte("0123456789abcdef"), 2)
)

func encrypted(protocol uint8, keys ...[]byte) func(*setup, bool) {
	return func(s *setup, _ bool) { s.keyring, s.keys, s.protocol = true, keys, protocol }
}

var modes = []mode{
	{name: "plain", configure: func(*setup, bool) {}},
	{name: "plain, versions 3 and 5", configure: func(s *setup, odd bool) {
		if s.protocol = 3; odd {
			s.protocol = 5
		}
	}},
	{name: "plain, version 1", configure: func(s *setup, _ bool) { s.protocol = 1 }},
	{name: "uncompressed", configure: func(s *setup, _ bool) { s.compress = false }},
	{name: "label", configure: func(s *setup, _ bool) { s.label = "blue" }},
	{name: "AES-128", configure: encrypted(2, key16)},
	{name: "AES-192", configure: encrypted(3, key24)},
	{name: "AES-256, label", configure: func(s *setup, m bool) {
		encrypted(5, key32)(s, m)
		s.label = "blue"
	}},
	{name: "AES-128, version 1", configure: encrypted(1, key16)},
	{name: "AES-192, version 1", configure: encrypted(1, key24)},
	{name: "AES-256, version 1", configure: encrypted(1, key32)},
	{name: "AES-256, 1 beside 2", configure: func(s *setup, m bool) {
		// Version 1 pads what it encrypts, version 2 does not.
		if encrypted(2, key32)(s, m); m {
			s.protocol = 1
		}
	}},
	{name: "key rotation", configure: func(s *setup, migrated bool) {
		if encrypted(2, key16, key24)(s, migrated); migrated {
			s.keys = [][]byte{key24, key16}
		}
	}, migrate: migrateKeys},
	{name: "plain to encrypted", configure: func(s *setup, migrated bool) {
		s.keyring, s.verifyIn, s.verifyOut = true, false, false
		if migrated {
			s.keys = [][]byte{key32}
		}
	}, migrate: migrateEncryption},
	{name: "encrypting to verified", configure: func(s *setup, migrated bool) {
		encrypted(2, key32)(s, migrated)
		s.verifyIn, s.verifyOut = false, migrated
	}, migrate: migrateEncryption},
	{name: "unlabelled to label", configure: func(s *setup, migrated bool) {
		if s.skipLabel = true; migrated {
			s.label = "blue"
		}
	}, migrate: migrateLabel},
}

// migrateKeys completes the rotation that was under way, and does a whole one,
// while users go on sending: add the key everywhere, use it, remove the old one.
func migrateKeys(c *cluster) {
	c.t.Helper()
	users := c.talk()
	defer users.end()
	c.each(func(n node) error { return n.useKey(key24) })
	c.each(func(n node) error { return n.removeKey(key16) })
	c.each(func(n node) error { return n.addKey(key32) })
	c.each(func(n node) error { return n.useKey(key32) })
	c.each(func(n node) error { return n.removeKey(key24) })
}

// migrateEncryption gives the key to all, makes all encrypt, then all insist, while
// users go on sending.
func migrateEncryption(c *cluster) {
	c.t.Helper()
	users := c.talk()
	defer users.end()
	c.each(func(n node) error { return n.addKey(key32) })
	c.each(func(n node) error { n.verify(false, true); return nil })
	c.each(func(n node) error { n.verify(true, true); return nil })
}

// migrateLabel restarts the nodes one by one, while users go on sending: first
// those without a label, with it; then all, to insist on it.
func migrateLabel(c *cluster) {
	c.t.Helper()
	users := c.talk()
	defer users.end()
	for _, n := range slices.Clone(c.nodes) {
		if s := n.config(); s.label == "" {
			s.label = "blue"
			c.replace(users, n, n.kind(), s, abruptly)
		}
	}
	for _, n := range slices.Clone(c.nodes) {
		s := n.config()
		s.skipLabel = false
		c.replace(users, n, n.kind(), s, abruptly)
	}
	speak(c)
	checkPackets(c)
	checkStreams(c)
}

// each changes one node after the other; after each change they still
// understand each other, in packets and in streams.
func (c *cluster) each(change func(node) error) {
	c.t.Helper()
	for _, n := range c.nodes {
		if err := change(n); err != nil {
			c.t.Fatalf("%s: %v", n.name(), err)
		}
		speak(c)
		checkStreams(c)
	}
}

// speak has a node of each kind announce something and sees it arrive.
func speak(c *cluster) {
	c.t.Helper()
	for _, n := range c.speakers() {
		n.book().setMeta("at " + time.Now().Format(time.StampNano))
		if err := n.updateNode(3 * c.unit * c.pace.patience); err != nil {
			c.t.Fatalf("%s updates: %v", n.name(), err)
		}
	}
	c.eventually(3*c.unit, "metadata", agree(c.nodes))
}
