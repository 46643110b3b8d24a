package memberlist

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// A sealed message is
//
//	version[1]  nonce[12]  ciphertext || tag[16]
//
// with AES-GCM under the primary key. Version 0, spoken by nodes of protocol
// version 1 only, pads the plaintext to whole AES blocks first (PKCS #7);
// version 1 seals it as it is. The version byte is not authenticated: anyone
// on the path can flip it, so nothing may be assumed from it after opening.
const (
	sealPadded   uint8 = 0
	sealUnpadded uint8 = 1

	sealNonceSize  = 12
	sealTagSize    = 16
	sealBlockSize  = 16
	sealHeaderSize = 1 + sealNonceSize

	// scratchSize is the longest input that open leaves intact on failure. It
	// covers every UDP datagram.
	scratchSize = 64 << 10
)

// Why a sealed message is refused, besides ErrDecrypt. All of these are the
// sender's fault, or that of someone on the path.
var (
	errSealedEmpty     = fmt.Errorf("%w: sealed message is empty", ErrMalformed)
	errSealVersion     = fmt.Errorf("%w: unsupported encryption version", ErrMalformed)
	errSealedShort     = fmt.Errorf("%w: sealed message is too short", ErrMalformed)
	errSealPadding     = fmt.Errorf("%w: padding of sealed message is wrong", ErrMalformed)
	errSealedNoMessage = fmt.Errorf("%w: nothing was sealed", ErrMalformed)
)

// refusal is the reason under which a packet or a stream that is not used is
// counted: one of few texts. A plaintext packet looks like one of an unknown
// encryption version.
func refusal(err error) string {
	switch {
	case errors.Is(err, ErrLabelMismatch):
		return "label"
	case errors.Is(err, ErrNotEncrypted):
		return "not encrypted"
	case errors.Is(err, ErrEncryptionNotConfigured):
		return "encrypted"
	case errors.Is(err, errSealVersion):
		return "encryption version"
	case errors.Is(err, ErrDecrypt):
		return "decrypt"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated"
	case errors.Is(err, ErrMalformed):
		return "malformed"
	}
	return "stream"
}

// Why seal refuses to work; both are bugs of the caller.
var (
	errNoKeys      = errors.New("no key installed to encrypt with")
	errSealUnknown = errors.New("cannot seal with encryption version")
)

// sealOverhead is by how many bytes sealing with this version lengthens a
// message at most. It is also the shortest message of that version that open
// accepts: in version 0 even an empty plaintext has a whole block of padding.
func sealOverhead(version uint8) int {
	if version == sealPadded {
		return sealHeaderSize + sealBlockSize + sealTagSize
	}
	return sealHeaderSize + sealTagSize
}

// seal encrypts plaintext with the primary key, authenticates it together with
// aad, and appends the sealed message to dst. It does not allocate when dst
// has room for len(plaintext) + sealOverhead(version) more bytes.
//
// plaintext may lie anywhere, also in dst's spare capacity, where it is
// overwritten; at dst[len(dst)+sealHeaderSize:] it is encrypted without being
// moved. aad must not lie in dst's spare capacity.
func (k *Keyring) seal(dst []byte, version uint8, plaintext, aad []byte) ([]byte, error) {
	var nonce [sealNonceSize]byte
	rand.Read(nonce[:]) // cannot fail: the runtime stops the process first
	return k.sealWithNonce(dst, version, &nonce, plaintext, aad)
}

// sealWithNonce is seal with a chosen nonce. Only tests may choose: two
// messages under the same key and nonce give both away.
func (k *Keyring) sealWithNonce(dst []byte, version uint8, nonce *[sealNonceSize]byte, plaintext, aad []byte) ([]byte, error) {
	if version > sealUnpadded {
		return dst, fmt.Errorf("%w %d", errSealUnknown, version)
	}
	ring := k.keys()
	if len(ring) == 0 {
		return dst, errNoKeys
	}
	padding := 0
	if version == sealPadded {
		padding = sealBlockSize - len(plaintext)%sealBlockSize
	}
	start, n := len(dst), len(plaintext)
	total := start + sealHeaderSize + n + padding + sealTagSize
	// Growing leaves the old array, and so plaintext, as they were.
	dst = slices.Grow(dst, total-start)[:total]

	// The plaintext moves to its place before the header is written, because
	// it may overlap with it.
	body := dst[start+sealHeaderSize : start+sealHeaderSize+n+padding]
	if n > 0 && &body[0] != &plaintext[0] {
		copy(body, plaintext)
	}
	for i := n; i < n+padding; i++ {
		body[i] = byte(padding)
	}
	dst[start] = version
	copy(dst[start+1:], nonce[:])
	ring[0].aead.Seal(body[:0], dst[start+1:start+sealHeaderSize], body, aad)
	return dst, nil
}

// open authenticates and decrypts the sealed message b, trying every key of
// the ring, and returns its plaintext, which lies in b and is never empty.
// The error matches ErrDecrypt when no key fits, otherwise ErrMalformed.
//
// When it fails, b still holds what it held before if it is no longer than
// scratchSize (a packet may be something else that only looked sealed, while
// encryption is being rolled out); a longer b may have been overwritten.
// aad must not overlap with b.
func (k *Keyring) open(b, aad []byte) (plaintext []byte, err error) {
	if len(b) == 0 {
		return nil, errSealedEmpty
	}
	version := b[0]
	if version > sealUnpadded {
		return nil, fmt.Errorf("%w %d", errSealVersion, version)
	}
	if len(b) < sealOverhead(version) {
		return nil, fmt.Errorf("%w: %d bytes", errSealedShort, len(b))
	}
	ring := k.keys()
	nonce, sealed := b[1:sealHeaderSize], b[sealHeaderSize:]

	// A failed AEAD.Open wipes its output, so decrypting in place destroys the
	// message for the next key and for the caller. Hence the detour through
	// scratch; only the last attempt on a long message goes without.
	keep, dst := len(b) <= scratchSize, sealed
	if keep || len(ring) > 1 {
		scratch := getScratch(len(sealed))
		defer putScratch(scratch)
		dst = *scratch
	}
	for i := range ring {
		if i == len(ring)-1 && !keep {
			dst = sealed
		}
		opened, err := ring[i].aead.Open(dst[:0], nonce, sealed, aad)
		if err != nil {
			continue
		}
		if opened, err = unpad(version, opened); err != nil {
			return nil, err
		}
		return sealed[:copy(sealed, opened)], nil
	}
	return nil, ErrDecrypt
}

// unpad cuts the padding of version 0 from a decrypted payload. All of it is
// checked, because the version byte is not authenticated: an unpadded message
// whose version was flipped on the way must be refused, not shortened.
func unpad(version uint8, b []byte) ([]byte, error) {
	if version == sealPadded {
		if len(b) == 0 || len(b)%sealBlockSize != 0 {
			return nil, errSealPadding
		}
		padding := int(b[len(b)-1])
		if padding < 1 || padding > sealBlockSize {
			return nil, errSealPadding
		}
		for _, p := range b[len(b)-padding:] {
			if int(p) != padding {
				return nil, errSealPadding
			}
		}
		b = b[:len(b)-padding]
	}
	if len(b) == 0 {
		return nil, errSealedNoMessage
	}
	return b, nil
}

// scratchPool holds buffers of scratchSize bytes.
var scratchPool = sync.Pool{New: func() any {
	b := make([]byte, scratchSize)
	return &b
}}

// getScratch returns a buffer of at least n bytes.
func getScratch(n int) *[]byte {
	if n > scratchSize {
		b := make([]byte, n)
		return &b
	}
	return scratchPool.Get().(*[]byte)
}

// putScratch keeps a buffer for the next getScratch unless it is a large one.
func putScratch(b *[]byte) {
	if len(*b) == scratchSize {
		scratchPool.Put(b)
	}
}
