package memberlist

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// callCounter counts writes and keeps them.
type callCounter struct {
	bytes.Buffer
	calls int
}

func (w *callCounter) Write(p []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(p)
}

func newTestLogger() (*logger, *callCounter) {
	w := new(callCounter)
	return newLogger(&Config{Logger: log.New(w, "", 0)}), w
}

func TestLogLinesAreOneCallInTheKnownForm(t *testing.T) {
	l, w := newTestLogger()
	l.debugf("Stream connection %s", LogStringAddress("1.2.3.4:5"))
	l.infof("Suspect %s has failed, no acks received", "a")
	l.warnf("100%% %s", "sure")
	l.errf("no arguments")
	want := "[DEBUG] memberlist: Stream connection from=1.2.3.4:5\n" +
		"[INFO] memberlist: Suspect a has failed, no acks received\n" +
		"[WARN] memberlist: 100% sure\n" +
		"[ERR] memberlist: no arguments\n"
	if w.String() != want || w.calls != 4 {
		t.Errorf("%d calls: %q", w.calls, w.String())
	}
}

func TestLoggerKeepsPrefixAndFlags(t *testing.T) {
	var w bytes.Buffer
	l := newLogger(&Config{Logger: log.New(&w, "mine ", log.Lshortfile|log.Lmsgprefix)})
	l.infof("hello")
	// The line is that of the code that logs, not of the logger.
	if got := w.String(); !strings.HasPrefix(got, "log_test.go:") || !strings.HasSuffix(got, ": mine [INFO] memberlist: hello\n") {
		t.Errorf("%q", got)
	}
}

func TestLogOutputGetsDateAndTime(t *testing.T) {
	var w bytes.Buffer
	newLogger(&Config{LogOutput: &w}).warnf("hello")
	if _, err := time.Parse("2006/01/02 15:04:05 [WARN] memberlist: hello\n", w.String()); err != nil {
		t.Error(err)
	}
	if l := newLogger(&Config{}); l.out == nil || l.out.Flags() != log.LstdFlags || l.out.Prefix() != "" {
		t.Error("without any setting lines do not go to standard error")
	}
}

func TestRemoteTextCannotForgeALine(t *testing.T) {
	for in, want := range map[string]string{
		"plain ~":                     "plain ~",
		"höß 世界":                      "höß 世界",
		"a\n[ERR] memberlist: forged": `a\n[ERR] memberlist: forged`,
		"\x1b[31m\x00\r\t\x7f":        `\x1b[31m\x00\x0d\t\x7f`,
		"\xff\xfeok":                  `\xff\xfeok`,
		"\u202egnp":                   `\u202egnp`,
		"\u0085\u2028":                `\u0085\u2028`,
		"\U000e0041":                  `\U000e0041`,
		"\ufffd":                      "\ufffd",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	l, w := newTestLogger()
	l.warnf("Refuting a dead message (from: %s)", "a\nb")
	if got, want := w.String(), "[WARN] memberlist: Refuting a dead message (from: a\\nb)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogLineIsBounded(t *testing.T) {
	l, w := newTestLogger()
	l.errf("%s", strings.Repeat("x", logTextMax))
	if got := w.Len() - len("[ERR] memberlist: \n"); got != logTextMax {
		t.Errorf("a text of the limit became %d bytes", got)
	}
	w.Reset()
	l.errf("%s", strings.Repeat("x", logTextMax+7))
	if want := "[ERR] memberlist: " + strings.Repeat("x", logTextMax) + "... (7 bytes more)\n"; w.String() != want {
		t.Errorf("%q", w.String())
	}
}

// recordHandler keeps records at or above a level.
type recordHandler struct {
	slog.Handler
	level   slog.Level
	records []slog.Record
}

func (h *recordHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }
func (h *recordHandler) Handle(_ context.Context, r slog.Record) error {
	h.records = append(h.records, r)
	return nil
}

func TestSlogGetsLevelAndPlainMessage(t *testing.T) {
	h := &recordHandler{level: slog.LevelInfo}
	l := newLogger(&Config{extraConfig: extraConfig{Slog: slog.New(h)}})
	l.debugf("too fine")
	l.infof("one %d", 1)
	l.warnf("two\n")
	l.errf("three")
	std := l.std()
	std.Printf("[ERR] memberlist: four")
	std.Printf("five")
	std.Printf("[DEBUG] memberlist: too fine")
	var got []string
	for _, r := range h.records {
		got = append(got, fmt.Sprintf("%v %s %d", r.Level, r.Message, r.NumAttrs()))
		if r.Time.IsZero() {
			t.Error("record without time")
		}
	}
	want := "[INFO one 1 0 WARN two\\n 0 ERROR three 0 ERROR four 0 INFO five 0]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if src := h.records[0].Source(); src == nil || !strings.HasSuffix(src.File, "log_test.go") {
		t.Errorf("source is %+v", src)
	}
}

func TestStdIsTheConfiguredLogger(t *testing.T) {
	mine := log.New(io.Discard, "", 0)
	if newLogger(&Config{Logger: mine}).std() != mine {
		t.Error("not the same logger")
	}
}

func TestLimitedRationsEachClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newTestLogger()
		hit := func(class logClass, n int) {
			for range n {
				if l.limited(class) {
					l.warnf("hit")
				}
			}
		}
		const line = "[WARN] memberlist: hit\n"
		hit(logMalformed, logBurst+25)
		if got := w.String(); got != strings.Repeat(line, logBurst) {
			t.Fatalf("%q", got)
		}
		w.Reset()
		hit(logLabel, 1)
		if w.String() != line {
			t.Errorf("another class is rationed too: %q", w.String())
		}
		w.Reset()

		time.Sleep(logInterval - 1)
		hit(logMalformed, 1)
		if w.Len() != 0 {
			t.Errorf("before the interval is over: %q", w.String())
		}
		time.Sleep(time.Nanosecond)
		hit(logMalformed, 1)
		if got, want := w.String(), "[WARN] memberlist: suppressed 26 log lines about malformed messages\n"+line; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		w.Reset()

		// A quiet interval has no summary.
		time.Sleep(2 * logInterval)
		hit(logMalformed, 1)
		if w.String() != line {
			t.Errorf("%q", w.String())
		}
		w.Reset()

		hit(logStream, logBurst+3)
		w.Reset()
		l.flushLimited()
		l.flushLimited()
		if got, want := w.String(), "[WARN] memberlist: suppressed 3 log lines about failed streams\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestEveryLogClassHasAName(t *testing.T) {
	for class, name := range logClassNames {
		if name == "" {
			t.Errorf("class %d has no name", class)
		}
	}
}

func TestSuppressedLinesDoNotAllocate(t *testing.T) {
	l, _ := newTestLogger()
	for range logBurst {
		l.limited(logMalformed)
	}
	if n := testing.AllocsPerRun(100, func() { l.limited(logMalformed) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLogAddresses(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	for _, test := range []struct{ got, want string }{
		{LogAddress(nil), "from=<unknown address>"},
		{LogAddress(&net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}), "from=1.2.3.4:5"},
		{LogStringAddress(""), "from=<unknown address>"},
		{LogStringAddress("x"), "from=x"},
		{LogStringAddress("x\n[ERR] \x1b[31m"), `from=x\n[ERR] \x1b[31m`},
		{LogConn(nil), "from=<unknown address>"},
		{LogConn(client), "from=pipe"},
		{from(endpoint{}).String(), "from=<unknown address>"},
		{from(endpoint{addr: netip.MustParseAddrPort("[::1]:7")}).String(), "from=[::1]:7"},
		{from(endpoint{host: "gateway"}).String(), "from=gateway"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
