package wire

import (
	"errors"
	"fmt"
)

// Errors of decoding. They are the same values every time, so that a reader
// of streams can compare, and counting malformed packets costs little.
var (
	// ErrShort means that the input ended before the value did. A stream
	// reader reads more and decodes again from the start; for a packet it is
	// as final as ErrMalformed.
	ErrShort = errors.New("unexpected end of message")

	// ErrMalformed is what every other decoding error wraps: no further
	// bytes can make the input right.
	ErrMalformed = errors.New("malformed message")

	// ErrTooLarge means that decompressing would exceed the caller's limit.
	ErrTooLarge = errors.New("decompressed message exceeds the limit")

	// ErrLabelTruncated means that a packet ends within its label header.
	ErrLabelTruncated = errors.New("cannot decode label; packet has been truncated")

	// ErrLabelEmpty means that a label header announces a label of no bytes,
	// which is never sent: no label is no header.
	ErrLabelEmpty = errors.New("label header cannot be empty when present")

	// ErrCompoundLength means that a compound has no count byte.
	ErrCompoundLength = errors.New("missing compound length byte")

	// ErrCompoundTruncated means that a compound ends within its table of lengths.
	ErrCompoundTruncated = errors.New("truncated len slice")
)

// MalformedError says which message and field could not be decoded, and why.
// It wraps ErrMalformed.
type MalformedError struct {
	Message string // "ping", "node state", ...
	Field   string // name of the field or unknown key; empty when the message itself is no struct
	Reason  string
}

func (e *MalformedError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("malformed %s: %s", e.Message, e.Reason)
	}
	return fmt.Sprintf("malformed %s: field %q: %s", e.Message, e.Field, e.Reason)
}

// Unwrap returns ErrMalformed.
func (e *MalformedError) Unwrap() error { return ErrMalformed }

// ChecksumError means that a packet was damaged on its way. It wraps ErrMalformed.
type ChecksumError struct {
	Computed  uint32 // of the payload as it arrived
	Announced uint32 // by the sender
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("invalid checksum: computed %08x, announced %08x", e.Computed, e.Announced)
}

// Unwrap returns ErrMalformed.
func (e *ChecksumError) Unwrap() error { return ErrMalformed }
