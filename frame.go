package memberlist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/swimguard/memberlist/internal/wire"
)

// A frame is what one side says on a stream:
//
//	frame     = 0a length[4] sealed(inner) | inner
//	inner     = compressed(message) | message
//	message   = type[1] body
//
// The dialer puts the label header in front of its frame, the listener does
// not; both authenticate the label when they encrypt. Each layer occurs once at
// most.
const (
	frameHeaderLen = 1 + 4 // type and length of an encrypted frame

	// Limits on what a peer can make us hold. Frames without encryption have
	// no length in front, so what comes out of decompression bounds them, too.
	maxFrame = wire.MaxDecompressed

	// maxStruct bounds a single struct, such as a node state, in a frame that
	// is read as it arrives. Members send less than 2 KiB.
	maxStruct = 64 << 10

	// maxTried bounds the bytes looked at for one struct, which is decoded anew
	// after each read: twice what 2 KiB cost that come byte by byte.
	maxTried = 4 << 20

	// warnFrame is the size of an encrypted frame that is worth a warning: 60 %
	// of what is allowed.
	warnFrame = wire.MaxCiphertext / 10 * 6

	// A table shrinks to an eighth, by and large, since its names and addresses
	// are alike, and to a twelfth when they are in order.
	tableShrinks     = 8
	tableShrinksMost = 12

	// readChunk is how much room, in bytes, a read has at least.
	readChunk = 4 << 10
)

var (
	errFrameTooLarge = fmt.Errorf("%w: larger than allowed", ErrMalformed)
	errFrameEmpty    = fmt.Errorf("%w: empty frame", ErrMalformed)
	errFrameShort    = frameError{wire.ErrShort}       // complete, and not enough
	errFrameCutOff   = frameError{io.ErrUnexpectedEOF} // the stream ended within it
)

// frameError is what is wrong with a frame. It matches ErrMalformed.
type frameError struct{ error }

func (e frameError) Is(target error) bool { return target == ErrMalformed }

func (e frameError) Unwrap() error { return e.error }

// frameReader reads one frame from a stream. Bytes are read as they are
// needed, and memory grows with what has arrived, never with what is announced.
type frameReader struct {
	m    *Memberlist
	conn net.Conn
	buf  []byte // read or unwrapped, and not used yet; never overwritten
	read int    // bytes received in all
	all  bool   // buf holds all there is: the frame was encrypted or compressed
	slot bool   // holds one of streamLimits.large

	// carried, if not nil, is the label in front of a stream that others opened
	// while labels are not checked here: see aad.
	carried []byte
}

// aad is the label that encrypted frames of the stream are authenticated with:
// ours, or with SkipInboundLabelCheck the one that its opener turned out to use.
func (r *frameReader) aad() []byte {
	if r.carried != nil {
		return r.carried
	}
	return r.m.label
}

// more reads at least one byte, unless the frame is complete.
func (r *frameReader) more() error {
	if r.all {
		return errFrameShort
	}
	if r.read >= maxFrame {
		return errFrameTooLarge
	}
	if len(r.buf) >= largeFrame {
		if err := r.acquireSlot(); err != nil {
			return err
		}
	}
	if cap(r.buf)-len(r.buf) < readChunk {
		grown := make([]byte, len(r.buf), max(2*len(r.buf), readChunk)+readChunk)
		copy(grown, r.buf)
		r.buf = grown
	}
	// An error that comes with bytes will come again without them.
	n, err := r.conn.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	r.read += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// need reads until buf holds n bytes.
func (r *frameReader) need(n int) error {
	for len(r.buf) < n {
		if err := r.more(); err != nil {
			if err == io.EOF && r.read > 0 {
				err = errFrameCutOff
			}
			return err
		}
	}
	return nil
}

// take removes the next n bytes from the frame.
func (r *frameReader) take(n int) ([]byte, error) {
	if err := r.need(n); err != nil {
		return nil, err
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b, nil
}

// decode reads a struct whose type byte has been taken.
func (r *frameReader) decode(decode func(b []byte) (rest []byte, err error)) error {
	_, err := r.cut(decode)
	return err
}

// cut is decode that returns what the struct was decoded from. It may be
// extended to what is cut next if that lies right behind it.
func (r *frameReader) cut(decode func(b []byte) (rest []byte, err error)) ([]byte, error) {
	for tried := 0; ; {
		rest, err := decode(r.buf)
		if err == nil {
			taken := r.buf[:len(r.buf)-len(rest)]
			r.buf = rest
			return taken, nil
		}
		if !errors.Is(err, wire.ErrShort) {
			return nil, frameError{err}
		}
		tried += len(r.buf)
		if (len(r.buf) >= maxStruct || tried > maxTried) && !r.all {
			return nil, errFrameTooLarge
		}
		if err := r.more(); err != nil {
			if err == io.EOF {
				err = errFrameCutOff
			}
			return nil, err
		}
	}
}

// readLabel takes the label header, if there is one. The error is io.EOF when
// nothing came at all.
func (r *frameReader) readLabel() (string, error) {
	if err := r.need(1); err != nil {
		return "", err
	}
	if wire.Type(r.buf[0]) != wire.TypeLabel {
		return "", nil
	}
	if err := r.need(wire.LabelHeaderLen); err != nil {
		return "", err
	}
	n := int(r.buf[1])
	if n == 0 {
		return "", frameError{wire.ErrLabelEmpty}
	}
	header, err := r.take(wire.LabelHeaderLen + n)
	return string(header[min(wire.LabelHeaderLen, len(header)):]), err
}

// begin removes encryption and compression and returns the type of the
// message; what follows it is for take and decode. The error is io.EOF when
// nothing came at all.
func (r *frameReader) begin() (wire.Type, error) {
	if err := r.need(1); err != nil {
		return 0, err
	}
	conf := r.m.config
	encrypted := wire.Type(r.buf[0]) == wire.TypeEncrypt
	switch keys := conf.Keyring.enabled(); {
	case encrypted && !keys:
		return 0, ErrEncryptionNotConfigured
	case encrypted:
		if err := r.decrypt(); err != nil {
			return 0, err
		}
	case keys && conf.GossipVerifyIncoming:
		return 0, ErrNotEncrypted
	}
	if wire.Type(r.buf[0]) == wire.TypeCompress {
		if err := r.decompress(); err != nil {
			return 0, err
		}
	}
	kind := wire.Type(r.buf[0])
	r.buf = r.buf[1:]
	return kind, nil
}

// decrypt replaces an encrypted frame by what it holds, at least one byte.
func (r *frameReader) decrypt() error {
	if err := r.need(frameHeaderLen); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(r.buf[1:])
	if n > wire.MaxCiphertext {
		return fmt.Errorf("%w: encrypted frame of %d bytes, at most %d", ErrMalformed, n, wire.MaxCiphertext)
	}
	r.m.meter.sizeRemote(int(n))
	if n > warnFrame && r.m.log.limited(logStream) {
		r.m.log.warnf("Remote node state size is (%d), approaching the limit of %d bytes", n, wire.MaxCiphertext)
	}
	header, err := r.take(frameHeaderLen)
	if err != nil {
		return err
	}
	sealed, err := r.take(int(n))
	if err != nil {
		return err
	}
	plain, err := r.open(header, sealed)
	if err != nil {
		if !errors.Is(err, ErrDecrypt) {
			err = fmt.Errorf("%w: %w", ErrDecrypt, err)
		}
		return err
	}
	r.buf, r.all = plain, true
	return nil
}

// open decrypts what follows the header of a frame. It is authenticated with the
// header and the label: the one that the stream carries, unless something on
// the way has cut that off, and then ours.
func (r *frameReader) open(header, sealed []byte) ([]byte, error) {
	ring := r.m.config.Keyring
	if r.carried != nil && !bytes.Equal(r.carried, r.m.label) {
		// A failed attempt can overwrite what it was given.
		plain, err := ring.open(bytes.Clone(sealed), slices.Concat(header, r.carried))
		if err == nil {
			return plain, nil
		}
		r.carried = nil
	}
	return ring.open(sealed, slices.Concat(header, r.m.label))
}

// decompress replaces a compressed message by what it holds, at least one byte.
func (r *frameReader) decompress() error {
	r.buf = r.buf[1:]
	c, err := r.readCompressed()
	if err != nil {
		return err
	}
	r.m.meter.decompressAttempt(algorithmName(c.Algo))
	// What is small stays small for all but hostile peers.
	limit := largeFrame
	var room []byte
	if len(c.Buf) > largeFrame/tableShrinks {
		if err := r.acquireSlot(); err != nil {
			return err
		}
		room = make([]byte, 0, min(tableShrinksMost*len(c.Buf), wire.MaxDecompressed))
	}
	if r.slot {
		limit = wire.MaxDecompressed
	}
	b, err := wire.Decompress(room, c, limit)
	if errors.Is(err, wire.ErrTooLarge) && !r.slot {
		if err := r.acquireSlot(); err != nil {
			return err
		}
		b, err = wire.Decompress(nil, c, wire.MaxDecompressed)
	}
	if err != nil {
		r.m.meter.decompressError(algorithmName(c.Algo))
		return frameError{err}
	}
	if len(b) == 0 {
		return errFrameEmpty
	}
	r.buf, r.all = b, true
	return nil
}

// canonicalCompressed is how every member begins a compressed message: a map
// of two, Algo of zero or one, and Buf.
const canonicalCompressed = "\x82\xa4Algo\x00\xa3Buf"

// readCompressed reads a compressed message as it arrives. Its length is read
// off the header of the string in it, so that it is decoded once, when it is
// complete, and not after each of the thousands of segments it may come in.
func (r *frameReader) readCompressed() (*wire.Compressed, error) {
	c := new(wire.Compressed)
	const header = len(canonicalCompressed) + 5
	for !r.all && len(r.buf) < header {
		if err := r.more(); err != nil {
			break // a short message, or an error that decode will meet, too
		}
	}
	if n, ok := compressedLen(r.buf); ok && !r.all {
		if n > maxFrame {
			return nil, errFrameTooLarge
		}
		if err := r.need(n); err != nil {
			return nil, err
		}
		if _, err := c.Decode(r.buf); err != nil {
			return nil, frameError{err}
		}
		return c, nil
	}
	return c, r.decode(c.Decode)
}

// compressedLen is the length of the compressed message that b begins with, if
// it has the form that all members send.
func compressedLen(b []byte) (int, bool) {
	const at = len(canonicalCompressed)
	const algo = at - len("\x00\xa3Buf")
	if len(b) < at+1 || string(b[:algo]) != canonicalCompressed[:algo] || string(b[algo+1:at]) != canonicalCompressed[algo+1:] {
		return 0, false
	}
	h := b[at:]
	switch {
	case h[0]&0xe0 == 0xa0: // up to 31 bytes
		return at + 1 + int(h[0]&0x1f), true
	case h[0] == 0xda && len(h) >= 3:
		return at + 3 + int(binary.BigEndian.Uint16(h[1:])), true
	case h[0] == 0xdb && len(h) >= 5:
		if n := binary.BigEndian.Uint32(h[1:]); n <= maxFrame {
			return at + 5 + int(n), true
		}
		return maxFrame + 1, true
	}
	return 0, false
}

// acquireSlot waits for one of the few slots for large frames.
func (r *frameReader) acquireSlot() error {
	if r.slot {
		return nil
	}
	if err := r.m.streams.acquireLarge(r.m.ctx, r.m.config.tcpTimeout()); err != nil {
		return err
	}
	r.slot = true
	return nil
}

// close gives back what the frame took. The frame's bytes may still be used by
// whoever has them.
func (r *frameReader) close() {
	if r.slot {
		r.slot = false
		r.m.streams.releaseLarge()
	}
}

// encodeFrame wraps a message for a stream, authenticated with a label if it is
// encrypted.
func (m *Memberlist) encodeFrame(msg streamMessage, label []byte) ([]byte, error) {
	conf := m.config
	sealed, version := m.seals(), conf.sealVersion()
	body, room := 0, 0 // the message is sealed where it is put together
	if sealed {
		body, room = frameHeaderLen+sealHeaderSize, frameHeaderLen+sealOverhead(version)
	}
	var frame []byte
	if conf.EnableCompression {
		// Always, even when it does not pay, as the protocol has it.
		frame = m.compressStream(make([]byte, body, room+msg.size/tableShrinks), msg)
	} else {
		frame = msg.appendTo(make([]byte, body, room+msg.size))
	}
	if !sealed {
		return frame, nil
	}
	n := len(frame) - body + sealOverhead(version)
	if version == sealPadded {
		n -= (len(frame) - body) % sealBlockSize
	}
	if n > wire.MaxCiphertext {
		return nil, messageTooLarge(n, wire.MaxCiphertext)
	}
	frame[0] = byte(wire.TypeEncrypt)
	binary.BigEndian.PutUint32(frame[1:], uint32(n))
	header := frame[:frameHeaderLen]
	return conf.Keyring.seal(header, version, frame[body:], slices.Concat(header, label))
}

// seals reports whether what we send is encrypted, packets and streams alike.
func (m *Memberlist) seals() bool {
	return m.config.GossipVerifyOutgoing && m.config.Keyring.enabled()
}

// writeFrame sends a message in a frame of a stream that we opened.
func (m *Memberlist) writeFrame(conn net.Conn, msg streamMessage) error {
	return m.writeFrameAs(conn, msg, m.label)
}

// answer sends a message back on a stream that others opened.
func (r *frameReader) answer(msg streamMessage) error { return r.m.writeFrameAs(r.conn, msg, r.aad()) }

func (m *Memberlist) writeFrameAs(conn net.Conn, msg streamMessage, label []byte) error {
	if msg.size > wire.MaxDecompressed {
		return messageTooLarge(msg.size, wire.MaxDecompressed)
	}
	if m.config.EnableCompression || m.seals() {
		frame, err := m.encodeFrame(msg, label)
		if err != nil {
			return err
		}
		msg = whole(frame)
	}
	m.meter.tcpSent(msg.size)
	for piece := range msg.pieces {
		if _, err := conn.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
