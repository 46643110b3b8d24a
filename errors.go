package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/swimguard/memberlist/internal/wire"
)

// Errors that callers decide on; test for them with errors.Is. They usually
// arrive wrapped, with the operation and the member or address in front.
var (
	// ErrShutdown is returned by every method that would have to act after
	// Shutdown. Nothing was done.
	ErrShutdown = errors.New("memberlist: shut down")

	// ErrLeft is returned by methods that need a member that has not left:
	// after Leave this instance answers its peers but never becomes a member
	// again. Nothing was done.
	ErrLeft = errors.New("memberlist: this node has left the cluster")

	// ErrNotMember is returned by methods that speak for this node as a member
	// when its own record was refused by the AliveDelegate or lies outside
	// CIDRsAllowed. Nothing was done.
	ErrNotMember = errors.New("memberlist: this node was refused as a member")

	// ErrNodeNameRequired is returned when Config.RequireNodeNames is set and
	// the name of the node to contact is not known. Nothing was sent.
	ErrNodeNameRequired = errors.New("memberlist: node names are required by configuration but one was not provided")

	// ErrTimeout is matched by every error that says that a wait ended before
	// what was waited for had happened. What was waited for may still happen:
	// Leave and UpdateNode have changed this node's record and go on telling
	// the cluster. An expired wait of Leave or UpdateNode also matches
	// context.DeadlineExceeded.
	ErrTimeout error = timeoutError("the operation to finish")

	// ErrLabelMismatch is returned when the other end uses another label than
	// Config.Label. Nothing was merged.
	ErrLabelMismatch = errors.New("memberlist: label does not match the one configured")

	// ErrNotEncrypted is returned when keys are configured,
	// Config.GossipVerifyIncoming is set and the other end answers in
	// plaintext. Nothing was merged.
	ErrNotEncrypted = errors.New("encryption is configured but remote state is not encrypted")

	// ErrEncryptionNotConfigured is returned when the other end answers
	// encrypted and no key is configured here. Nothing was merged.
	ErrEncryptionNotConfigured = errors.New("remote state is encrypted and encryption is not configured")

	// ErrDecrypt is returned when none of the keys in the Keyring opens what
	// was received: a wrong key, a wrong label or a modified message. Nothing
	// was merged.
	ErrDecrypt = errors.New("memberlist: no installed key could decrypt the message")

	// ErrMergeRejected is matched by the error of Join when the MergeDelegate
	// of either side refused the other's members. The refuser's text is part of
	// the text; an error of this node's delegate is wrapped too, and the other
	// side's arrives as a *RemoteError. Nothing was merged here. If it was this
	// node that refused, the other side does not know and has merged it.
	ErrMergeRejected = errors.New("merge rejected")

	// ErrMetaTooLarge is returned by Create and UpdateNode when
	// Delegate.NodeMeta returned more than MetaMaxSize bytes. The metadata
	// that the cluster knows did not change.
	ErrMetaTooLarge = errors.New("memberlist: node metadata is longer than the limit")

	// ErrMessageTooLarge is returned when a message can never be delivered:
	// larger than a packet can be, or than a receiver accepts on a stream.
	// Nothing was sent.
	ErrMessageTooLarge = errors.New("memberlist: message too large")

	// ErrMalformed is matched by errors about bytes from the network that are
	// not what the protocol allows. Nothing of the offending message was used.
	ErrMalformed = errors.New("memberlist: malformed message")
)

// The waits of Leave and UpdateNode when their time is up. Monitoring knows
// the texts.
var (
	errLeaveTimeout  error = timeoutError("leave broadcast")
	errUpdateTimeout error = timeoutError("update broadcast")
)

// timeoutError names what was waited for in vain.
type timeoutError string

func (e timeoutError) Error() string { return "timeout waiting for " + string(e) }

// Timeout makes it a timeout in the sense of net.Error.
func (e timeoutError) Timeout() bool { return true }

func (e timeoutError) Is(target error) bool {
	return target == ErrTimeout || target == context.DeadlineExceeded
}

// NoPingResponseError is returned, as a value, by Ping when no ack came in
// time. It matches ErrTimeout. Nothing changed: Ping never suspects a member.
type NoPingResponseError struct{ node string }

// Error names the node that did not answer.
func (f NoPingResponseError) Error() string { return "No response from node " + f.node }

// Is reports a match with ErrTimeout.
func (f NoPingResponseError) Is(target error) bool { return target == ErrTimeout }

// RemoteError is what the other end of a stream reported instead of an answer.
// It is part of the error of Join. Nothing was merged here; what the other end
// did is not known. Text was written by the other end: treat it as untrusted.
//
// When Text says why the other end refused what this node sent, in the words of
// this library or of the incumbent, the error matches ErrDecrypt,
// ErrNotEncrypted, ErrEncryptionNotConfigured or ErrMalformed.
type RemoteError struct{ Text string }

// Error quotes the other end.
func (e *RemoteError) Error() string { return "remote error: " + e.Text }

// Is reports a match with the reason that the other end gives.
func (e *RemoteError) Is(target error) bool {
	for _, r := range remoteReasons {
		if target == r.err && strings.Contains(e.Text, r.text) {
			return true
		}
	}
	return false
}

// remoteReasons are parts of the texts with which members refuse a stream.
var remoteReasons = []struct {
	text string
	err  error
}{
	{"decrypt", ErrDecrypt},
	{"encryption version", ErrDecrypt},
	{ErrNotEncrypted.Error(), ErrNotEncrypted},
	{ErrEncryptionNotConfigured.Error(), ErrEncryptionNotConfigured},
	{"malformed", ErrMalformed},
	{wire.ErrShort.Error(), ErrMalformed},
	{io.ErrUnexpectedEOF.Error(), ErrMalformed}, // cut off
	{"decompress", ErrMalformed},
	{"larger than limit", ErrMalformed},
}

// VersionError says that this node and no living member at the other end
// understand each other: Node, this one or a member there, speaks a version
// outside the range that the other supports. It is part of the error of Join.
// Nothing was merged. A cluster in which at least one member is compatible is
// joined, and the others are left out. Node may have been named by the other
// end: treat it as untrusted.
type VersionError struct {
	Node     string // who speaks the version
	Version  uint8  // what it speaks
	Min, Max uint8  // what all live members understand, inclusive; empty when Min > Max
	Delegate bool   // Version is the delegate's protocol, not memberlist's own
}

// Error names the node, its version and the range.
func (e *VersionError) Error() string {
	kind := "protocol version"
	if e.Delegate {
		kind = "delegate protocol version"
	}
	return fmt.Sprintf("Node '%s' %s (%d) is incompatible: [%d, %d]", e.Node, kind, e.Version, e.Min, e.Max)
}

// JoinError is returned, as a pointer, by Join when no address could be
// joined. errors.Is and errors.As look into every failure.
type JoinError struct {
	// Failures has one entry for each argument that could not be resolved and
	// each address that could not be joined, in the order tried.
	Failures []JoinFailure
}

// Error lists all failures, one to a line.
func (e *JoinError) Error() string {
	return listErrors(e.Unwrap())
}

// Unwrap returns the failures as errors.
func (e *JoinError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i := range e.Failures {
		errs[i] = &e.Failures[i]
	}
	return errs
}

// JoinFailure is one reason why Join could not join one address.
type JoinFailure struct {
	// Address is the argument of Join as given when it could not be resolved,
	// and otherwise the host and port that were contacted.
	Address string
	// Unresolved says that no address was found for the argument, so that
	// nobody was contacted.
	Unresolved bool
	// Err is the cause; never nil.
	Err error
}

// Error names the address and the cause.
func (f *JoinFailure) Error() string {
	if f.Unresolved {
		return "failed to resolve " + f.Address + ": " + f.Err.Error()
	}
	return "failed to join " + f.Address + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *JoinFailure) Unwrap() error { return f.Err }

// ConfigError is one complaint of Config.Validate, and so of Create. Nothing
// was opened or started.
type ConfigError struct {
	Field string // name of the Config field
	Value any    // its value; nil if it must not be shown, as a key
	Err   error  // what is wrong and what is allowed; never nil
}

// Error names the field, the value and what is allowed.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// errorList is several errors in the text form that programs already parse.
type errorList []error

func (l errorList) Error() string { return listErrors(l) }

// Unwrap returns the errors.
func (l errorList) Unwrap() []error { return l }

// listErrors writes errors one to a line under a line with their number.
func listErrors(errs []error) string {
	var b strings.Builder
	if len(errs) == 1 {
		b.WriteString("1 error occurred:")
	} else {
		b.WriteString(strconv.Itoa(len(errs)) + " errors occurred:")
	}
	for _, err := range errs {
		b.WriteString("\n\t* " + err.Error())
	}
	b.WriteString("\n\n")
	return b.String()
}

// mergeRejected wraps what the MergeDelegate said.
func mergeRejected(err error) error { return fmt.Errorf("%w: %w", ErrMergeRejected, err) }

// metaTooLarge reports n bytes of metadata.
func metaTooLarge(n int) error {
	return fmt.Errorf("%w: %d bytes, at most %d", ErrMetaTooLarge, n, MetaMaxSize)
}

// messageTooLarge reports a message of n bytes where limit fit.
func messageTooLarge(n, limit int) error {
	return fmt.Errorf("%w: %d bytes, at most %d", ErrMessageTooLarge, n, limit)
}
