package testkit

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
)

// testLog is the log of a test until it ends.
type testLog struct {
	mu     sync.Mutex
	t      *testing.T // nil when the test is over
	prefix string
}

// NewLog returns a writer to the log of a test, one Write a line, with a prefix.
// What goroutines that outlive the test write is dropped. It may be used
// concurrently.
func NewLog(t *testing.T, prefix string) io.Writer {
	l := &testLog{t: t, prefix: prefix}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.t = nil
	})
	return l
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.t != nil {
		fmt.Fprintf(l.t.Output(), "%s%s\n", l.prefix, bytes.TrimSpace(p))
	}
	return len(p), nil
}
