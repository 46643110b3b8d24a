package memberlist

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/swimguard/memberlist/internal/wire"
)

// cryptoVector is an entry of testdata/wire/crypto.json: bytes that the
// incumbent produced or was given.
type cryptoVector struct {
	Name      string `json:"name"`
	Hex       string `json:"hex"`
	Keys      string `json:"key_hex"` // comma-separated
	AAD       string `json:"aad_hex"`
	Label     string `json:"label"`
	Plaintext string `json:"plaintext_hex"`
}

func readCryptoVectors(t testing.TB) []cryptoVector {
	t.Helper()
	text, err := os.ReadFile("testdata/wire/crypto.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []cryptoVector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// whole reports whether the entry is a message as the incumbent sends it, as
// opposed to bytes for the decryption step alone.
func (v *cryptoVector) whole() bool {
	kind, _, _ := strings.Cut(v.Name, "_")
	return kind == "packet" || kind == "stream" || kind == "live"
}

// ring is a keyring of the comma-separated keys.
func (v *cryptoVector) ring(t testing.TB) *Keyring {
	t.Helper()
	var keys [][]byte
	if v.Keys != "" {
		for key := range strings.SplitSeq(v.Keys, ",") {
			keys = append(keys, unhex(t, key))
		}
	}
	return testRing(t, keys...)
}

// sealed is the sealed message without label header and stream frame header.
func (v *cryptoVector) sealed(t testing.TB) []byte {
	t.Helper()
	b := unhex(t, v.Hex)
	if len(b) > 0 && wire.Type(b[0]) == wire.TypeLabel {
		b = b[2+len(v.Label):]
	}
	if strings.Contains(v.Name, "stream_") {
		b = b[5:]
	}
	return b
}

// testRing is a ring of these keys, the first being the primary.
func testRing(t testing.TB, keys ...[]byte) *Keyring {
	t.Helper()
	if len(keys) == 0 {
		return new(Keyring)
	}
	k, err := NewKeyring(keys, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// testKey is a key of the given size whose bytes are all c.
func testKey(c byte, size int) []byte { return bytes.Repeat([]byte{c}, size) }

func TestOpenAcceptsWhatTheIncumbentSealed(t *testing.T) {
	n := 0
	for _, v := range readCryptoVectors(t) {
		if !v.whole() {
			continue
		}
		n++
		t.Run(v.Name, func(t *testing.T) {
			got, err := v.ring(t).open(v.sealed(t), unhex(t, v.AAD))
			if v.Plaintext == "" {
				if !errors.Is(err, errSealedNoMessage) {
					t.Errorf("open = %x, %v; want %v", got, err, errSealedNoMessage)
				}
				return
			}
			if err != nil || hex.EncodeToString(got) != v.Plaintext {
				t.Errorf("open = %x, %v; want %s", got, err, v.Plaintext)
			}
		})
	}
	if n != 48+24+17 {
		t.Errorf("%d vectors, want all 89 of packet_, stream_ and live_", n)
	}
}

func TestSealMakesTheIncumbentsBytes(t *testing.T) {
	n := 0
	for _, v := range readCryptoVectors(t) {
		if !v.whole() {
			continue
		}
		n++
		t.Run(v.Name, func(t *testing.T) {
			want := v.sealed(t)
			prefix := []byte("before")
			got, err := v.ring(t).sealWithNonce(bytes.Clone(prefix), want[0], (*[sealNonceSize]byte)(want[1:]), unhex(t, v.Plaintext), unhex(t, v.AAD))
			if err != nil || !bytes.Equal(got, append(prefix, want...)) {
				t.Errorf("seal = %x, %v; want %x after the prefix", got, err, want)
			}
			if limit := len(v.Plaintext)/2 + sealOverhead(want[0]); len(want) > limit {
				t.Errorf("sealed length %d exceeds message + sealOverhead = %d", len(want), limit)
			}
		})
	}
	if n == 0 {
		t.Error("no vectors")
	}
}

func TestOpenRefuses(t *testing.T) {
	// What becomes of the entries that are inputs to decryption alone. Where
	// the incumbent accepts or crashes (odd_, crash_), the reason is ours.
	want := map[string]error{
		"neg_wrong_key":                   ErrDecrypt,
		"neg_wrong_aad":                   ErrDecrypt,
		"neg_flipped_tag_bit":             ErrDecrypt,
		"neg_version_2":                   errSealVersion,
		"neg_too_short_v1":                errSealedShort,
		"neg_empty":                       errSealedEmpty,
		"neg_too_short_v0":                errSealedShort,
		"odd_no_keys":                     ErrDecrypt,
		"odd_v0_pad_not_validated":        errSealPadding,
		"odd_v0_pad_zero":                 errSealPadding,
		"odd_v0_pad_17":                   errSealPadding,
		"crash_version_byte_flip":         errSealPadding,
		"odd_version_byte_flip_truncates": errSealPadding,
	}
	for _, v := range readCryptoVectors(t) {
		if v.whole() {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			b := v.sealed(t)
			before := bytes.Clone(b)
			got, err := v.ring(t).open(b, unhex(t, v.AAD))
			if v.Name == "odd_v0_to_v1_flip" {
				// Nothing tells this from a message that ends in these bytes.
				if text := hex.EncodeToString(got); err != nil || text != "0868690d0d0d0d0d0d0d0d0d0d0d0d0d" {
					t.Errorf("open = %s, %v", text, err)
				}
				return
			}
			sentinel, ok := want[v.Name]
			if !ok {
				t.Fatal("entry without expectation")
			}
			if !errors.Is(err, sentinel) || got != nil {
				t.Errorf("open = %x, %v; want error %v", got, err, sentinel)
			}
			if !bytes.Equal(b, before) {
				t.Errorf("refused message was modified:\n%x\n%x", b, before)
			}
		})
	}
}

func TestOpenRefusesEveryFlippedVersion(t *testing.T) {
	// Of the unpadded messages only those that happen to be padded correctly
	// can pass as version 0; with this one byte pattern none is.
	k := testRing(t, testKey('k', 16))
	for n := 1; n <= 100; n++ {
		b, err := k.seal(nil, sealUnpadded, bytes.Repeat([]byte{200}, n), nil)
		if err != nil {
			t.Fatal(err)
		}
		b[0] = sealPadded
		want := errSealPadding
		if len(b) < sealOverhead(sealPadded) {
			want = errSealedShort
		}
		if got, err := k.open(b, nil); !errors.Is(err, want) {
			t.Errorf("%d bytes: open = %x, %v; want %v", n, got, err, want)
		}
	}
}

func TestOpenChecksEveryPadByte(t *testing.T) {
	k := testRing(t, testKey('k', 32))
	for padding := 0; padding <= 40; padding++ {
		for wrong := -1; wrong < padding; wrong++ {
			plain := bytes.Repeat([]byte{255}, 48)
			for i := range padding {
				plain[len(plain)-1-i] = byte(padding)
			}
			if padding == 0 {
				plain[len(plain)-1] = 0
			}
			if wrong >= 0 {
				plain[len(plain)-1-wrong] ^= 0x80
			}
			b, err := k.seal(nil, sealUnpadded, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			b[0] = sealPadded
			got, err := k.open(b, nil)
			if good := wrong < 0 && 1 <= padding && padding <= 16; good != (err == nil) {
				t.Errorf("pad of %d, byte %d wrong: open = %x, %v", padding, wrong, got, err)
			} else if good && len(got) != 48-padding {
				t.Errorf("pad of %d: plaintext of %d bytes", padding, len(got))
			}
		}
	}
}

func TestOpenRefusesAuthenticatedNothing(t *testing.T) {
	k := testRing(t, testKey('k', 16))
	for _, version := range []uint8{sealPadded, sealUnpadded} {
		b, err := k.seal(nil, version, nil, nil)
		if err != nil || len(b) != sealOverhead(version) {
			t.Fatalf("seal = %d bytes, %v", len(b), err)
		}
		if got, err := k.open(b, nil); !errors.Is(err, errSealedNoMessage) {
			t.Errorf("version %d: open = %x, %v", version, got, err)
		}
	}
}

func TestOpenErrorTexts(t *testing.T) {
	k := testRing(t, testKey('k', 16))
	for _, tc := range []struct {
		in   []byte
		want string
	}{
		{nil, "memberlist: malformed message: sealed message is empty"},
		{[]byte{2}, "memberlist: malformed message: unsupported encryption version 2"},
		{[]byte{255}, "memberlist: malformed message: unsupported encryption version 255"},
		{[]byte{1}, "memberlist: malformed message: sealed message is too short: 1 bytes"},
		{make([]byte, 44), "memberlist: malformed message: sealed message is too short: 44 bytes"},
		{make([]byte, 45), "memberlist: no installed key could decrypt the message"},
	} {
		_, err := k.open(tc.in, nil)
		if err == nil || err.Error() != tc.want {
			t.Errorf("open(%x) = %v, want %s", tc.in, err, tc.want)
		}
		if errors.Is(err, ErrDecrypt) == errors.Is(err, ErrMalformed) {
			t.Errorf("open(%x) = %v: neither or both of ErrDecrypt and ErrMalformed", tc.in, err)
		}
	}
}

func TestOpenTriesEveryKeyAndDecryptsInPlace(t *testing.T) {
	keys := [][]byte{testKey('a', 16), testKey('b', 24), testKey('c', 32)}
	all := testRing(t, keys...)
	aad := []byte("label")
	for _, size := range []int{1, 1400, scratchSize + 1} {
		plain := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for i, key := range keys {
			b, err := testRing(t, key).seal(nil, sealUnpadded, plain, aad)
			if err != nil {
				t.Fatal(err)
			}
			got, err := all.open(b, aad)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes, key %d: %v", size, i, err)
			} else if &got[0] != &b[sealHeaderSize] {
				t.Errorf("%d bytes, key %d: not opened in place", size, i)
			}
		}
		b, err := testRing(t, testKey('d', 16)).seal(nil, sealUnpadded, plain, aad)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(b)
		if got, err := all.open(b, aad); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%d bytes, foreign key: open = %x, %v", size, got, err)
		}
		if len(b) <= scratchSize && !bytes.Equal(b, before) {
			t.Errorf("%d bytes: refused packet was modified", size)
		}
	}
}

func TestSealTakesItsPlaintextFromAnywhere(t *testing.T) {
	// The plaintext is a part of dst's own array, before, at or after where the
	// ciphertext goes, or elsewhere; with room for the result or without.
	k := testRing(t, testKey('k', 16))
	for _, version := range []uint8{sealPadded, sealUnpadded} {
		for offset := 0; offset <= 60; offset++ {
			for _, room := range []int{0, 200} {
				array := make([]byte, 100+room)
				for i := range array {
					array[i] = byte(i)
				}
				dst, plain := array[:10:10+room], array[offset:offset+40]
				want := bytes.Clone(plain)
				b, err := k.seal(dst, version, plain, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := k.open(b[10:], nil); err != nil || !bytes.Equal(got, want) {
					t.Errorf("version %d, offset %d, room %d: open = %x, %v", version, offset, room, got, err)
				}
				for i := range 10 {
					if b[i] != byte(i) {
						t.Fatalf("version %d, offset %d, room %d: dst[%d] overwritten", version, offset, room, i)
					}
				}
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	dst := []byte("dst")
	if b, err := new(Keyring).seal(dst, sealUnpadded, []byte{1}, nil); !errors.Is(err, errNoKeys) || string(b) != "dst" {
		t.Errorf("empty ring: seal = %q, %v", b, err)
	}
	if b, err := testRing(t, testKey('k', 16)).seal(dst, 2, []byte{1}, nil); !errors.Is(err, errSealUnknown) || string(b) != "dst" {
		t.Errorf("version 2: seal = %q, %v", b, err)
	}
}

func TestSealNeverRepeatsANonce(t *testing.T) {
	k := testRing(t, testKey('k', 16))
	seen := make(map[[sealNonceSize]byte]bool)
	for range 10_000 {
		b, err := k.seal(nil, sealUnpadded, []byte{1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		nonce := [sealNonceSize]byte(b[1:])
		if seen[nonce] {
			t.Fatal("nonce used twice")
		}
		seen[nonce] = true
	}
}

func TestSealAndOpenDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector makes pools forget; counts are checked without it")
		return
	}
	aad := []byte("label")
	plain := make([]byte, 1300)
	dst := make([]byte, 0, 1400)
	one, two := testRing(t, testKey('a', 16)), testRing(t, testKey('b', 16), testKey('a', 16))
	for _, version := range []uint8{sealPadded, sealUnpadded} {
		for name, receiver := range map[string]*Keyring{"primary key": one, "second key": two} {
			allocs := testing.AllocsPerRun(100, func() {
				b, err := one.seal(dst, version, plain, aad)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := receiver.open(b, aad); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("version %d, %s: %v allocations for seal and open", version, name, allocs)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, v := range readCryptoVectors(f) {
		f.Add(v.sealed(f), unhex(f, v.AAD), false)
		f.Add(v.sealed(f), unhex(f, v.AAD), true)
	}
	key := unhex(f, "30313233343536373839616263646566")
	f.Fuzz(func(t *testing.T, b, aad []byte, two bool) {
		k := testRing(t, key)
		if two {
			k = testRing(t, testKey('x', 32), key)
		}
		before := bytes.Clone(b)
		got, err := k.open(b, aad)
		if err != nil {
			if len(b) <= scratchSize && !bytes.Equal(b, before) {
				t.Errorf("refused message was modified")
			}
			return
		}
		if len(got) == 0 || len(got)+sealOverhead(sealUnpadded) > len(b) {
			t.Errorf("plaintext of %d bytes from %d", len(got), len(b))
		}
		again, err := testRing(t, key).sealWithNonce(nil, before[0], (*[sealNonceSize]byte)(before[1:]), got, aad)
		if err != nil || !bytes.Equal(again, before) {
			t.Errorf("sealing what was opened gives other bytes: %x, want %x (%v)", again, before, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := testRing(b, testKey('k', 16))
	plain, dst := make([]byte, 1360), make([]byte, 0, 1400)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.seal(dst, sealUnpadded, plain, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for name, k := range map[string]*Keyring{
		"primary": testRing(b, testKey('k', 16)),
		"second":  testRing(b, testKey('j', 16), testKey('k', 16)),
	} {
		b.Run(name, func(b *testing.B) {
			sealed, err := testRing(b, testKey('k', 16)).seal(nil, sealUnpadded, make([]byte, 1360), nil)
			if err != nil {
				b.Fatal(err)
			}
			in := make([]byte, len(sealed))
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				copy(in, sealed)
				if _, err := k.open(in, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNonce(b *testing.B) {
	k := testRing(b, testKey('k', 16))
	dst := make([]byte, 0, 100)
	nonce := new([sealNonceSize]byte)
	b.Run("random", func(b *testing.B) {
		for b.Loop() {
			k.seal(dst, sealUnpadded, dst[:1], nil)
		}
	})
	b.Run("fixed", func(b *testing.B) {
		for b.Loop() {
			k.sealWithNonce(dst, sealUnpadded, nonce, dst[:1], nil)
		}
	})
}
