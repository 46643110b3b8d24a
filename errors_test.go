package memberlist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestErrorTextsThatProgramsKnow(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{ErrNodeNameRequired, "memberlist: node names are required by configuration but one was not provided"},
		{errLeaveTimeout, "timeout waiting for leave broadcast"},
		{errUpdateTimeout, "timeout waiting for update broadcast"},
		{ErrNotEncrypted, "encryption is configured but remote state is not encrypted"},
		{ErrEncryptionNotConfigured, "remote state is encrypted and encryption is not configured"},
		{NoPingResponseError{node: "a"}, "No response from node a"},
		{&RemoteError{Text: "boo"}, "remote error: boo"},
		{&VersionError{Node: "a", Version: 7, Min: 1, Max: 5}, "Node 'a' protocol version (7) is incompatible: [1, 5]"},
		{&VersionError{Node: "a", Version: 7, Min: 1, Max: 5, Delegate: true}, "Node 'a' delegate protocol version (7) is incompatible: [1, 5]"},
		{mergeRejected(errors.New("not you")), "merge rejected: not you"},
		{&JoinError{Failures: []JoinFailure{
			{Address: "127.0.0.1:7946", Err: errors.New("refused")},
		}}, "1 error occurred:\n\t* failed to join 127.0.0.1:7946: refused\n\n"},
		{&JoinError{Failures: []JoinFailure{
			{Address: "127.0.0.1:7946", Err: errors.New("refused")},
			{Address: "seed", Unresolved: true, Err: errors.New("no such host")},
		}}, "2 errors occurred:\n\t* failed to join 127.0.0.1:7946: refused\n\t* failed to resolve seed: no such host\n\n"},
		{&JoinError{}, "0 errors occurred:\n\n"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestTimeoutsMatch(t *testing.T) {
	for _, err := range []error{errLeaveTimeout, errUpdateTimeout, ErrTimeout, fmt.Errorf("leave: %w", errLeaveTimeout)} {
		if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not match", err)
		}
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is not a timeout in the way of package net", err)
		}
		if errors.Is(err, ErrShutdown) || errors.Is(err, context.Canceled) {
			t.Errorf("%v matches too much", err)
		}
	}
	if errors.Is(ErrShutdown, ErrTimeout) || errors.Is(errLeaveTimeout, errUpdateTimeout) {
		t.Error("different errors match")
	}
}

func TestNoPingResponseErrorIsAComparableValue(t *testing.T) {
	err := fmt.Errorf("ping: %w", error(NoPingResponseError{node: "a"}))
	var np NoPingResponseError
	if !errors.As(err, &np) || np != (NoPingResponseError{node: "a"}) {
		t.Errorf("got %+v", np)
	}
	if !errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		t.Error("it is a timeout, but not of a context")
	}
}

func TestJoinErrorUnwrapsToEveryCause(t *testing.T) {
	refusal := errors.New("not you")
	err := error(&JoinError{Failures: []JoinFailure{
		{Address: "a:1", Err: &RemoteError{Text: "boo"}},
		{Address: "b:1", Err: mergeRejected(refusal)},
		{Address: "c:1", Err: &VersionError{Node: "c"}},
		{Address: "d:1", Err: ErrDecrypt},
	}})
	for _, target := range []error{ErrMergeRejected, refusal, ErrDecrypt} {
		if !errors.Is(err, target) {
			t.Errorf("%v not found", target)
		}
	}
	var (
		remote  *RemoteError
		version *VersionError
		failure *JoinFailure
		join    *JoinError
	)
	if !errors.As(err, &remote) || !errors.As(err, &version) || !errors.As(err, &join) {
		t.Error("typed cause not found")
	}
	if !errors.As(err, &failure) || failure.Address != "a:1" {
		t.Errorf("first failure: %+v", failure)
	}
	if errors.Is(err, ErrShutdown) {
		t.Error("matches what is not there")
	}
	if !strings.Contains(err.Error(), "not you") {
		t.Error("the text of the MergeDelegate is missing")
	}
}

func TestSizeErrorsMatchAndCount(t *testing.T) {
	if err := metaTooLarge(513); !errors.Is(err, ErrMetaTooLarge) ||
		err.Error() != "memberlist: node metadata is longer than the limit: 513 bytes, at most 512" {
		t.Error(err)
	}
	if err := messageTooLarge(7, 5); !errors.Is(err, ErrMessageTooLarge) ||
		err.Error() != "memberlist: message too large: 7 bytes, at most 5" {
		t.Error(err)
	}
}
