package memberlist

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
)

var (
	errKeySize       = errors.New("key size must be 16, 24 or 32 bytes")
	errNoPrimaryKey  = errors.New("empty primary key not allowed")
	errKeyNotInRing  = errors.New("requested key is not in the keyring")
	errRemovePrimary = errors.New("removing the primary key is not allowed")
)

// Keyring is an ordered set of encryption keys. The first key, the primary,
// encrypts what this node sends; every key is tried, in order, on what it
// receives. A ring with at least one key switches encryption on.
//
// To rotate a key without interruption, add the new key on all members, then
// make it the primary on all members, then remove the old one.
//
// The zero value is an empty ring. All methods may be called from any
// goroutine, also while the ring is in use, and none blocks; a change applies
// to the next packet. Keys are copied on their way in and out, and printing a
// ring with any verb of package fmt shows only how many keys it holds. A
// Keyring must not be copied after first use.
type Keyring struct {
	// ring is never modified once stored, so packets are opened and sealed
	// without a lock; a change stores a new one. Nil means empty.
	ring atomic.Pointer[[]ringKey]
}

// ringKey is one key and the cipher built from it. Building the cipher costs
// more than opening a packet with it, hence once for each key.
type ringKey struct {
	secret []byte
	aead   cipher.AEAD
}

// NewKeyring returns a ring that holds primaryKey first and then keys in their
// order, without duplicates. The primary need not be among keys. With no keys
// at all the ring is empty and encryption off until AddKey is called.
//
// It fails when there are keys but no primary, and when a key is not 16, 24
// or 32 bytes long.
func NewKeyring(keys [][]byte, primaryKey []byte) (*Keyring, error) {
	k := new(Keyring)
	if len(primaryKey) == 0 {
		if len(keys) == 0 {
			return k, nil
		}
		return nil, errNoPrimaryKey
	}
	if err := k.AddKey(primaryKey); err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := k.AddKey(key); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// ValidateKey returns nil when key has one of the sizes that AES accepts: 16,
// 24 or 32 bytes, for AES-128, AES-192 or AES-256.
func ValidateKey(key []byte) error {
	switch len(key) {
	case 16, 24, 32:
		return nil
	}
	return errKeySize
}

// AddKey appends key to the ring, so that it can decrypt. It becomes the
// primary only when the ring was empty. A key that the ring already holds is
// not added again and is no error. It fails, without a change, when key is not
// 16, 24 or 32 bytes long.
func (k *Keyring) AddKey(key []byte) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	added := ringKey{secret: bytes.Clone(key)}
	block, err := aes.NewCipher(added.secret)
	if err != nil {
		return fmt.Errorf("failed to prepare key: %w", err)
	}
	if added.aead, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("failed to prepare key: %w", err)
	}
	return k.change(func(ring []ringKey) ([]ringKey, error) {
		if indexKey(ring, key) >= 0 {
			return ring, nil
		}
		return append(ring, added), nil
	})
}

// UseKey makes key the primary; the other keys keep their order. It fails,
// without a change, when the ring does not hold key.
func (k *Keyring) UseKey(key []byte) error {
	return k.change(func(ring []ringKey) ([]ringKey, error) {
		i := indexKey(ring, key)
		if i < 0 {
			return nil, errKeyNotInRing
		}
		used := ring[i]
		return slices.Insert(slices.Delete(ring, i, i+1), 0, used), nil
	})
}

// RemoveKey takes key out of the ring. The primary cannot be removed; make
// another key the primary first. Removing a key that the ring does not hold
// changes nothing and is no error.
func (k *Keyring) RemoveKey(key []byte) error {
	return k.change(func(ring []ringKey) ([]ringKey, error) {
		switch i := indexKey(ring, key); i {
		case -1:
			return ring, nil
		case 0:
			return nil, errRemovePrimary
		default:
			return slices.Delete(ring, i, i+1), nil
		}
	})
}

// GetKeys returns copies of all keys, the primary first. It is empty when the
// ring is.
func (k *Keyring) GetKeys() [][]byte {
	ring := k.keys()
	keys := make([][]byte, len(ring))
	for i := range ring {
		keys[i] = bytes.Clone(ring[i].secret)
	}
	return keys
}

// GetPrimaryKey returns a copy of the primary key, or nil when the ring is
// empty.
func (k *Keyring) GetPrimaryKey() (key []byte) {
	if ring := k.keys(); len(ring) > 0 {
		return bytes.Clone(ring[0].secret)
	}
	return nil
}

// String says how many keys the ring holds, never which.
func (k *Keyring) String() string {
	if k == nil {
		return "no keyring"
	}
	return fmt.Sprintf("keyring of %d keys", len(k.keys()))
}

// GoString is String: keys must not leak through %#v either.
func (k *Keyring) GoString() string { return k.String() }

// Format writes String for every verb, because %x and others would otherwise
// print what the ring points to.
func (k *Keyring) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// enabled reports whether there is a key to encrypt with. A nil ring has none.
func (k *Keyring) enabled() bool { return len(k.keys()) > 0 }

// keys returns the ring as it is now; the caller must not modify it.
func (k *Keyring) keys() []ringKey {
	if k == nil {
		return nil
	}
	if ring := k.ring.Load(); ring != nil {
		return *ring
	}
	return nil
}

// change replaces the ring by what f makes of a copy of it, and leaves it
// alone when f fails. f runs again when another goroutine was quicker.
func (k *Keyring) change(f func(ring []ringKey) ([]ringKey, error)) error {
	for {
		old := k.ring.Load()
		var ring []ringKey
		if old != nil {
			ring = slices.Clone(*old)
		}
		ring, err := f(ring)
		if err != nil {
			return err
		}
		if k.ring.CompareAndSwap(old, &ring) {
			return nil
		}
	}
}

// indexKey is the index of key in the ring, or -1. It always looks at every
// key and at every byte, so that the time taken says nothing about the keys.
func indexKey(ring []ringKey, key []byte) int {
	found := -1
	for i := range ring {
		if subtle.ConstantTimeCompare(ring[i].secret, key) == 1 {
			found = i
		}
	}
	return found
}
