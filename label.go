package memberlist

import (
	"bufio"
	"errors"
	"io"
	"net"

	"github.com/swimguard/memberlist/internal/wire"
)

// A label header precedes packets, and streams in the direction of their
// listener:
//
//	0xf4  length[1]  label[length]        1 <= length <= LabelMaxSize
var errLabelStreamTruncated = errors.New("cannot decode label; stream has been truncated")

// labelError is what is wrong with a label header. It matches ErrMalformed.
type labelError struct{ error }

func (e labelError) Is(target error) bool { return target == ErrMalformed }

func (e labelError) Unwrap() error { return e.error }

// labelHeader is the header for a label of at most LabelMaxSize bytes; the
// empty label has none.
func labelHeader(label string) []byte {
	// The only error is a label that is too long.
	header, _ := wire.AppendLabel(nil, label)
	return header
}

// AddLabelHeaderToPacket returns a new slice that holds the header for label
// and then buf. With an empty label it returns buf itself. It fails when label
// is longer than LabelMaxSize bytes.
func AddLabelHeaderToPacket(buf []byte, label string) ([]byte, error) {
	if label == "" {
		return buf, nil
	}
	labelled := make([]byte, 0, wire.LabelHeaderLen+len(label)+len(buf))
	labelled, err := wire.AppendLabel(labelled, label)
	if err != nil {
		return nil, err
	}
	return append(labelled, buf...), nil
}

// RemoveLabelHeaderFromPacket returns what follows the label header of a
// packet, as a part of buf, and the label. Without a header, which an empty buf
// has not either, it returns buf and an empty label. It fails when the header
// is cut off or says that the label is empty.
func RemoveLabelHeaderFromPacket(buf []byte) (newBuf []byte, label string, err error) {
	cut, rest, err := wire.CutLabel(buf)
	if err != nil {
		return nil, "", labelError{err}
	}
	return rest, string(cut), nil
}

// AddLabelHeaderToStream writes the header for label to conn, with one Write
// that blocks as long as conn lets it. With an empty label it does nothing. It
// fails when label is longer than LabelMaxSize bytes, before writing, or with
// the error of conn. conn stays open either way.
func AddLabelHeaderToStream(conn net.Conn, label string) error {
	if label == "" {
		return nil
	}
	header, err := wire.AppendLabel(nil, label)
	if err != nil {
		return err
	}
	_, err = conn.Write(header)
	return err
}

// RemoveLabelHeaderFromStream reads the label header, if there is one, from the
// beginning of a stream. It returns the label, empty without a header, and a
// connection to use in the place of conn from then on: to find the header it may
// have to read more than that, which the returned connection delivers first.
// It blocks until the header is complete, or the first byte shows that there is
// none, as long as conn lets it.
//
// A stream that ends before its first byte has no label and is no error. When
// the header is cut off, says that the label is empty, or cannot be read, the
// returned connection is nil and the caller still has to close conn.
func RemoveLabelHeaderFromStream(conn net.Conn) (net.Conn, string, error) {
	// The largest header fits into the reader's buffer of 4096 bytes.
	r := bufio.NewReader(conn)
	first, err := r.Peek(1)
	if err == io.EOF {
		return conn, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	if wire.Type(first[0]) != wire.TypeLabel {
		return &peekedConn{conn, r}, "", nil
	}
	header, err := r.Peek(wire.LabelHeaderLen)
	if err != nil {
		return nil, "", labelReadError(err)
	}
	size := int(header[1])
	if size == 0 {
		return nil, "", labelError{wire.ErrLabelEmpty}
	}
	if header, err = r.Peek(wire.LabelHeaderLen + size); err != nil {
		return nil, "", labelReadError(err)
	}
	label := string(header[wire.LabelHeaderLen:])
	// Cannot fail: these bytes are buffered.
	r.Discard(wire.LabelHeaderLen + size)
	return &peekedConn{conn, r}, label, nil
}

// labelReadError is the error for a header that could not be read to its end.
func labelReadError(err error) error {
	if err == io.EOF {
		return labelError{errLabelStreamTruncated}
	}
	return err
}

// peekedConn is a connection of which r has read ahead.
type peekedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *peekedConn) Read(b []byte) (int, error) { return c.r.Read(b) }
