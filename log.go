package memberlist

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// logTextMax bounds a log line, since names and error texts in it may come
	// from the network.
	logTextMax = 4096

	// A class of lines that remote input can cause is written at most
	// logBurst times in logInterval.
	logBurst    = 10
	logInterval = 10 * time.Second
)

// logClass is a kind of event that remote input can cause as often as it
// likes, so that its lines are rationed.
type logClass uint8

const (
	logMalformed logClass = iota // undecodable packets and messages
	logLabel                     // labels missing, wrong or broken
	logDecrypt                   // packets and streams that no key opens
	logChecksum                  // packets with a wrong checksum
	logQueueFull                 // messages dropped because a queue is full
	logOtherNode                 // pings for another node
	logRefused                   // records refused by delegate, address or version
	logConflict                  // two addresses for one name
	logRefute                    // accusations refuted
	logStream                    // streams that fail, are refused or are too many
	logSend                      // packets that could not be sent
	logState                     // members suspected, failed or moved
	logSlow                      // user code that makes packets wait
	logOpened                    // streams that others open
	logClasses
)

var logClassNames = [logClasses]string{
	logMalformed: "malformed messages",
	logLabel:     "label errors",
	logDecrypt:   "decryption failures",
	logChecksum:  "checksum failures",
	logQueueFull: "messages dropped by full queues",
	logOtherNode: "pings for other nodes",
	logRefused:   "refused members",
	logConflict:  "address conflicts",
	logRefute:    "refuted accusations",
	logStream:    "failed streams",
	logSend:      "failed sends",
	logState:     "changes of members",
	logSlow:      "slow delegates",
	logOpened:    "opened streams",
}

// logger writes the lines of one Memberlist, either to a *log.Logger in the
// form `[LEVEL] memberlist: text` that programs parse, or to log/slog. Text that
// came from the network is escaped, so that a line is one line. All methods
// are safe for concurrent use.
type logger struct {
	out  *log.Logger
	slog slog.Handler // replaces out when not nil

	mu     sync.Mutex // leaf; not held while writing
	quotas [logClasses]logQuota
}

// logQuota counts the lines of one class since start.
type logQuota struct {
	start               time.Time
	written, suppressed int
}

// newLogger picks the first that is configured of Slog, Logger, LogOutput and
// standard error.
func newLogger(c *Config) *logger {
	switch {
	case c.Slog != nil:
		return &logger{slog: c.Slog.Handler()}
	case c.Logger != nil:
		return &logger{out: c.Logger}
	case c.LogOutput != nil:
		return &logger{out: log.New(c.LogOutput, "", log.LstdFlags)}
	default:
		return &logger{out: log.New(os.Stderr, "", log.LstdFlags)}
	}
}

func (l *logger) debugf(format string, args ...any) { l.write(slog.LevelDebug, format, args) }
func (l *logger) infof(format string, args ...any)  { l.write(slog.LevelInfo, format, args) }
func (l *logger) warnf(format string, args ...any)  { l.write(slog.LevelWarn, format, args) }
func (l *logger) errf(format string, args ...any)   { l.write(slog.LevelError, format, args) }

// logCallers is how many frames lie between write's runtime.Callers or Output
// and the line of code that logs: write itself and debugf or its like.
const logCallers = 3

// write must be called by the four methods above and nothing else, because it
// reports their caller's line.
func (l *logger) write(level slog.Level, format string, args []any) {
	if l.slog != nil {
		ctx := context.Background()
		if !l.slog.Enabled(ctx, level) {
			return
		}
		var pc [1]uintptr
		runtime.Callers(logCallers, pc[:])
		// A handler's error has nowhere to go: this is the log.
		_ = l.slog.Handle(ctx, slog.NewRecord(time.Now(), level, logText(format, args), pc[0]))
		return
	}
	_ = l.out.Output(logCallers, logPrefix(level)+logText(format, args))
}

func logPrefix(level slog.Level) string {
	switch level {
	case slog.LevelDebug:
		return "[DEBUG] memberlist: "
	case slog.LevelInfo:
		return "[INFO] memberlist: "
	case slog.LevelWarn:
		return "[WARN] memberlist: "
	default:
		return "[ERR] memberlist: "
	}
}

// limited reports whether a line of the class may be written now. Ask before
// preparing the line. The first line of a new interval is preceded by one that
// says how many were suppressed in the last.
func (l *logger) limited(class logClass) bool {
	now := time.Now()
	l.mu.Lock()
	q := &l.quotas[class]
	suppressed := 0
	if q.start.IsZero() || now.Sub(q.start) >= logInterval {
		suppressed = q.suppressed
		*q = logQuota{start: now}
	}
	ok := q.written < logBurst
	if ok {
		q.written++
	} else {
		q.suppressed++
	}
	l.mu.Unlock()
	l.summarise(class, suppressed)
	return ok
}

// flushLimited reports what was suppressed so far. The shell calls it now and
// then, so that the last burst is not forgotten, and when it shuts down.
func (l *logger) flushLimited() {
	for class := range logClasses {
		l.mu.Lock()
		n := l.quotas[class].suppressed
		l.quotas[class].suppressed = 0
		l.mu.Unlock()
		l.summarise(class, n)
	}
}

func (l *logger) summarise(class logClass, n int) {
	const text = "suppressed %d log lines about %s"
	switch {
	case n == 0:
	case class == logOpened: // nothing that is wrong
		l.debugf(text, n, logClassNames[class])
	default:
		l.warnf(text, n, logClassNames[class])
	}
}

// std is a *log.Logger for code that wants one, such as NetTransport. With
// slog its lines find their level by their prefix.
func (l *logger) std() *log.Logger {
	if l.slog == nil {
		return l.out
	}
	return log.New(slogWriter{l}, "", 0)
}

// slogWriter turns lines `[LEVEL] memberlist: text` into records.
type slogWriter struct{ l *logger }

func (w slogWriter) Write(p []byte) (int, error) {
	line := strings.TrimSuffix(string(p), "\n")
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if text, ok := strings.CutPrefix(line, logPrefix(level)); ok {
			w.l.write(level, "%s", []any{text})
			return len(p), nil
		}
	}
	w.l.infof("%s", line)
	return len(p), nil
}

// logText formats a line, bounds it and makes it printable.
func logText(format string, args []any) string {
	text := fmt.Sprintf(format, args...)
	if len(text) > logTextMax {
		text = fmt.Sprintf("%s... (%d bytes more)", text[:logTextMax], len(text)-logTextMax)
	}
	return escape(text)
}

// escape replaces what could end or forge a line or command a terminal, and
// leaves everything else as it is.
func escape(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = ' ' <= s[i] && s[i] <= '~'
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteString(s[:n])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// from is an endpoint that prints as the suffix of a log line about it. It
// costs nothing until it is printed.
type from endpoint

// String returns "from=<address>".
func (f from) String() string {
	if f.addr.IsValid() {
		return LogStringAddress(f.addr.String())
	}
	return LogStringAddress(f.host)
}

// LogAddress returns "from=<addr>", which is how log lines name a peer; nil or
// an empty address gives "from=<unknown address>".
func LogAddress(addr net.Addr) string {
	if addr == nil {
		return LogStringAddress("")
	}
	return LogStringAddress(addr.String())
}

// LogStringAddress is LogAddress for an address in text form. The address may
// come from the network: what could end or forge a line is escaped.
func LogStringAddress(addr string) string {
	if addr == "" {
		return "from=<unknown address>"
	}
	return "from=" + escape(addr)
}

// LogConn is LogAddress for the remote end of conn, which may be nil.
func LogConn(conn net.Conn) string {
	if conn == nil {
		return LogStringAddress("")
	}
	return LogAddress(conn.RemoteAddr())
}
