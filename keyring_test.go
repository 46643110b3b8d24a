package memberlist

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Three keys, one of each size, and one that no ring of these tests holds.
var (
	keyA     = testKey('a', 16)
	keyB     = testKey('b', 24)
	keyC     = testKey('c', 32)
	keyOther = testKey('x', 16)
)

func ringString(k *Keyring) string { return string(bytes.Join(k.GetKeys(), []byte(" "))) }

func TestValidateKeyAcceptsTheSizesOfAES(t *testing.T) {
	for size := range 70 {
		err := ValidateKey(make([]byte, size))
		if good := size == 16 || size == 24 || size == 32; good != (err == nil) {
			t.Errorf("%d bytes: %v", size, err)
		} else if !good && err.Error() != "key size must be 16, 24 or 32 bytes" {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestNewKeyring(t *testing.T) {
	const sizeText = "key size must be 16, 24 or 32 bytes"
	for _, tc := range []struct {
		name    string
		keys    [][]byte
		primary []byte
		want    [][]byte
		err     string
	}{
		{"nothing", nil, nil, nil, ""},
		{"empty slices", [][]byte{}, []byte{}, nil, ""},
		{"primary alone", nil, keyA, [][]byte{keyA}, ""},
		{"primary comes first", [][]byte{keyB, keyC}, keyA, [][]byte{keyA, keyB, keyC}, ""},
		{"primary moves to the front", [][]byte{keyB, keyC, keyA}, keyC, [][]byte{keyC, keyB, keyA}, ""},
		{"duplicates collapse", [][]byte{keyB, keyA, keyB, keyA}, keyA, [][]byte{keyA, keyB}, ""},
		{"keys without primary", [][]byte{keyA}, nil, nil, "empty primary key not allowed"},
		{"primary of wrong size", [][]byte{keyA}, keyA[:15], nil, sizeText},
		{"key of wrong size", [][]byte{keyA[:15]}, keyA, nil, sizeText},
		{"empty key", [][]byte{{}}, keyA, nil, sizeText},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k, err := NewKeyring(tc.keys, tc.primary)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err || k != nil {
					t.Errorf("NewKeyring = %v, %v; want error %s", k, err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := k.GetKeys(); !slices.EqualFunc(got, tc.want, bytes.Equal) {
				t.Errorf("keys %q, want %q", got, tc.want)
			}
			if len(tc.want) > 0 && !bytes.Equal(k.GetPrimaryKey(), tc.want[0]) {
				t.Errorf("primary %q, want %q", k.GetPrimaryKey(), tc.want[0])
			}
		})
	}
}

func TestKeyringChanges(t *testing.T) {
	abc := [][]byte{keyA, keyB, keyC}
	for _, tc := range []struct {
		name   string
		start  [][]byte
		change func(k *Keyring) error
		want   [][]byte
		err    string
	}{
		{"add to empty makes primary", nil, func(k *Keyring) error { return k.AddKey(keyB) }, [][]byte{keyB}, ""},
		{"add appends", abc[:2], func(k *Keyring) error { return k.AddKey(keyC) }, abc, ""},
		{"add known", abc, func(k *Keyring) error { return k.AddKey(keyB) }, abc, ""},
		{"add wrong size", abc, func(k *Keyring) error { return k.AddKey(nil) }, abc, "key size must be 16, 24 or 32 bytes"},
		{"use last", abc, func(k *Keyring) error { return k.UseKey(keyC) }, [][]byte{keyC, keyA, keyB}, ""},
		{"use primary", abc, func(k *Keyring) error { return k.UseKey(keyA) }, abc, ""},
		{"use unknown", abc, func(k *Keyring) error { return k.UseKey(keyOther) }, abc, "requested key is not in the keyring"},
		{"use in empty", nil, func(k *Keyring) error { return k.UseKey(keyA) }, nil, "requested key is not in the keyring"},
		{"remove middle", abc, func(k *Keyring) error { return k.RemoveKey(keyB) }, [][]byte{keyA, keyC}, ""},
		{"remove last", abc, func(k *Keyring) error { return k.RemoveKey(keyC) }, abc[:2], ""},
		{"remove unknown", abc, func(k *Keyring) error { return k.RemoveKey(keyOther) }, abc, ""},
		{"remove nothing", abc, func(k *Keyring) error { return k.RemoveKey(nil) }, abc, ""},
		{"remove primary", abc, func(k *Keyring) error { return k.RemoveKey(keyA) }, abc, "removing the primary key is not allowed"},
		{"remove from empty", nil, func(k *Keyring) error { return k.RemoveKey(keyA) }, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := testRing(t, tc.start...)
			text := ""
			if err := tc.change(k); err != nil {
				text = err.Error()
			}
			if text != tc.err {
				t.Errorf("error %q, want %q", text, tc.err)
			}
			if got := k.GetKeys(); !slices.EqualFunc(got, tc.want, bytes.Equal) {
				t.Errorf("keys %q, want %q", got, tc.want)
			}
		})
	}
}

func TestKeyringZeroValueIsEmpty(t *testing.T) {
	var k Keyring
	if keys, primary := k.GetKeys(), k.GetPrimaryKey(); len(keys) != 0 || primary != nil || k.enabled() {
		t.Errorf("keys %q, primary %q, enabled %v", keys, primary, k.enabled())
	}
	if (*Keyring)(nil).enabled() {
		t.Error("no ring, yet enabled")
	}
	if err := k.AddKey(keyA); err != nil || !k.enabled() {
		t.Errorf("after AddKey: enabled %v, %v", k.enabled(), err)
	}
}

func TestKeyringCopiesKeysInAndOut(t *testing.T) {
	mine := bytes.Clone(keyA)
	k := testRing(t, mine, keyB)
	clear(mine)
	got := k.GetKeys()
	clear(got[0])
	got[1] = nil
	clear(k.GetPrimaryKey())
	if want := string(keyA) + " " + string(keyB); ringString(k) != want {
		t.Errorf("ring holds %q, want %q", ringString(k), want)
	}
}

func TestKeyringReadersSliceDoesNotChange(t *testing.T) {
	k := testRing(t, keyA, keyB, keyC)
	got := k.GetKeys()
	if err := k.RemoveKey(keyB); err != nil {
		t.Fatal(err)
	}
	if want := [][]byte{keyA, keyB, keyC}; !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("slice obtained before RemoveKey now holds %q", got)
	}
}

func TestKeyringNeverPrintsKeys(t *testing.T) {
	secret := []byte("SECRETSECRETSECR")
	k := testRing(t, secret, keyB)
	config := struct{ Keyring *Keyring }{k}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		for _, value := range []any{k, config, &config} {
			got := fmt.Sprintf(format, value)
			if strings.Contains(got, "SECRET") || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", secret[:4])) ||
				strings.Contains(got, "83 69 67") {
				t.Errorf("%s of %T prints %s", format, value, got)
			}
		}
		if format != "%p" && format != "%T" {
			if got := fmt.Sprintf(format, k); got != "keyring of 2 keys" {
				t.Errorf("%s prints %q", format, got)
			}
		}
	}
	if got := k.GoString() + k.String(); got != "keyring of 2 keyskeyring of 2 keys" {
		t.Error(got)
	}
	if got := fmt.Sprint((*Keyring)(nil)); got != "no keyring" {
		t.Errorf("nil prints %q", got)
	}
}

func TestKeyringRotatesWhileInUse(t *testing.T) {
	// One goroutine rotates through many keys, as an operator would on a
	// receiver that learns of the new key first. Everything sealed with a key
	// that is in the ring throughout must open throughout.
	k := testRing(t, keyA, keyB)
	stays := testRing(t, keyB)
	var opened, stop atomic.Int32
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for stop.Load() == 0 {
				b, err := stays.seal(nil, sealUnpadded, []byte("hello"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.open(b, nil); err != nil || string(got) != "hello" {
					t.Errorf("open = %q, %v", got, err)
					return
				}
				if b, err = k.seal(b[:0], sealPadded, []byte("hello"), nil); err != nil || len(b) == 0 {
					t.Error(err)
					return
				}
				if keys := k.GetKeys(); len(keys) < 2 || len(k.GetPrimaryKey()) == 0 {
					t.Errorf("%d keys", len(keys))
					return
				}
				opened.Add(1)
			}
		})
	}
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	old := keyA
	for i := 0; (i < 200 || opened.Load() < 30) && !t.Failed(); i++ {
		key := testKey(byte(i), 16)
		if bytes.Equal(key, old) {
			continue
		}
		check(k.AddKey(key))
		check(k.UseKey(key))
		check(k.RemoveKey(old))
		old = key
	}
	stop.Store(1)
	readers.Wait()
}

func TestKeyringLosesNoConcurrentChange(t *testing.T) {
	k := testRing(t, keyA)
	var adders sync.WaitGroup
	for i := range 20 {
		adders.Go(func() {
			if err := k.AddKey(testKey(byte(i), 24)); err != nil {
				t.Error(err)
			}
		})
	}
	adders.Wait()
	if n := len(k.GetKeys()); n != 21 {
		t.Errorf("%d keys, want 21", n)
	}
}
