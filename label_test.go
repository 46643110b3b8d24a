package memberlist

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// streamConn is a connection that reads from r and records each Write.
type streamConn struct {
	net.Conn // nil: anything else panics
	r        io.Reader
	writes   [][]byte
	err      error // of Write
}

func (c *streamConn) Read(b []byte) (int, error) { return c.r.Read(b) }

func (c *streamConn) Write(b []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(b))
	return len(b), c.err
}

// labelTests are beginnings of packets and streams alike. %s stands for
// "packet" or "stream".
var labelTests = []struct {
	name  string
	in    string
	rest  string
	label string
	err   string
}{
	{"nothing", "", "", "", ""},
	{"no header", "\x00abc", "\x00abc", "", ""},
	{"header", "\xf4\x04blueabc", "abc", "blue", ""},
	{"nothing after it", "\xf4\x04blue", "", "blue", ""},
	{"shortest", "\xf4\x01babc", "abc", "b", ""},
	{"longest", "\xf4\xff" + strings.Repeat("L", 255) + "abc", "abc", strings.Repeat("L", 255), ""},
	{"binary", "\xf4\x02\x00\xffabc", "abc", "\x00\xff", ""},
	{"second header stays", "\xf4\x01a\xf4\x01b", "\xf4\x01b", "a", ""},
	{"magic alone", "\xf4", "", "", "cannot decode label; %s has been truncated"},
	{"label cut off", "\xf4\x04blu", "", "", "cannot decode label; %s has been truncated"},
	{"longest cut off", "\xf4\xff" + strings.Repeat("L", 254), "", "", "cannot decode label; %s has been truncated"},
	{"empty", "\xf4\x00abc", "", "", "label header cannot be empty when present"},
}

func TestRemoveLabelHeaderFromPacket(t *testing.T) {
	for _, tc := range labelTests {
		t.Run(tc.name, func(t *testing.T) {
			buf := []byte(tc.in)
			rest, label, err := RemoveLabelHeaderFromPacket(buf)
			if want := strings.Replace(tc.err, "%s", "packet", 1); want != "" {
				if err == nil || err.Error() != want || !errors.Is(err, ErrMalformed) {
					t.Errorf("error %v, want %s", err, want)
				}
				return
			}
			if err != nil || string(rest) != tc.rest || label != tc.label {
				t.Errorf("got %q, %q, %v; want %q, %q", rest, label, err, tc.rest, tc.label)
			}
			if len(rest) > 0 && &rest[len(rest)-1] != &buf[len(buf)-1] {
				t.Error("not a part of the packet")
			}
		})
	}
	if buf, label, err := RemoveLabelHeaderFromPacket(nil); buf != nil || label != "" || err != nil {
		t.Errorf("nil gives %q, %q, %v", buf, label, err)
	}
}

func TestRemoveLabelHeaderFromStream(t *testing.T) {
	for _, tc := range labelTests {
		t.Run(tc.name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(tc.in),
				iotest.OneByteReader(strings.NewReader(tc.in)),
				iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				conn := &streamConn{r: r}
				got, label, err := RemoveLabelHeaderFromStream(conn)
				if want := strings.Replace(tc.err, "%s", "stream", 1); want != "" {
					if err == nil || err.Error() != want || got != nil || !errors.Is(err, ErrMalformed) {
						t.Errorf("got %v, error %v; want error %s", got, err, want)
					}
					continue
				}
				if err != nil || label != tc.label {
					t.Errorf("got %q, %v; want %q", label, err, tc.label)
					continue
				}
				if tc.in == "" && got != conn {
					t.Error("a stream without a byte is not returned itself")
				}
				if rest, err := io.ReadAll(got); err != nil || string(rest) != tc.rest {
					t.Errorf("the rest is %q, %v; want %q", rest, err, tc.rest)
				}
			}
		})
	}
}

func TestRemoveLabelHeaderFromStreamReportsReadErrors(t *testing.T) {
	for in := "\xf4\x04blue"; len(in) > 0; {
		in = in[:len(in)-1]
		conn := &streamConn{r: io.MultiReader(strings.NewReader(in), iotest.ErrReader(os.ErrDeadlineExceeded))}
		got, label, err := RemoveLabelHeaderFromStream(conn)
		if got != nil || label != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %q: %v, %q, %v", in, got, label, err)
		}
	}
}

func TestRemoveLabelHeaderFromStreamReadsNoFurtherThanItMust(t *testing.T) {
	// The other end sends one byte without label and waits for the answer.
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		far.Write([]byte{1})
		io.Copy(far, far)
	}()
	defer far.Close()
	conn, label, err := RemoveLabelHeaderFromStream(near)
	if err != nil || label != "" {
		t.Fatalf("%q, %v", label, err)
	}
	if n, err := conn.Read(make([]byte, 100)); n != 1 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if _, err := conn.Write([]byte("ab")); err != nil {
		t.Error(err)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ab" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAddLabelHeader(t *testing.T) {
	long := strings.Repeat("L", LabelMaxSize)
	for label, header := range map[string]string{
		"": "", "b": "\xf4\x01b", "blue": "\xf4\x04blue", "\x00": "\xf4\x01\x00", long: "\xf4\xff" + long,
	} {
		buf := []byte("abc")
		got, err := AddLabelHeaderToPacket(buf, label)
		if err != nil || string(got) != header+"abc" {
			t.Errorf("label %q: packet %q, %v", label, got, err)
		} else if same := &got[len(got)-1] == &buf[2]; same != (label == "") {
			t.Errorf("label %q: same array: %v", label, same)
		}
		conn := new(streamConn)
		if err := AddLabelHeaderToStream(conn, label); err != nil {
			t.Errorf("label %q: %v", label, err)
		}
		if label == "" {
			if len(conn.writes) != 0 {
				t.Errorf("empty label written: %q", conn.writes)
			}
		} else if len(conn.writes) != 1 || string(conn.writes[0]) != header {
			t.Errorf("label %q: written %q", label, conn.writes)
		}
	}
}

func TestAddLabelHeaderRefusesLongLabel(t *testing.T) {
	long := strings.Repeat("L", LabelMaxSize+1)
	want := `label "` + long + `" is too long`
	if got, err := AddLabelHeaderToPacket([]byte("abc"), long); err == nil || err.Error() != want || got != nil {
		t.Errorf("packet %q, %v", got, err)
	}
	conn := new(streamConn)
	if err := AddLabelHeaderToStream(conn, long); err == nil || err.Error() != want || len(conn.writes) != 0 {
		t.Errorf("stream %q, %v", conn.writes, err)
	}
}

func TestAddLabelHeaderToStreamReportsWriteErrors(t *testing.T) {
	conn := &streamConn{err: io.ErrClosedPipe}
	if err := AddLabelHeaderToStream(conn, "blue"); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// FuzzRemoveLabelHeader takes the label off all bytes, as a packet and as a stream.
func FuzzRemoveLabelHeader(f *testing.F) {
	for _, tc := range labelTests {
		f.Add([]byte(tc.in), true)
		f.Add([]byte(tc.in), false)
	}
	f.Fuzz(func(t *testing.T, buf []byte, slow bool) {
		want, wantLabel, wantErr := RemoveLabelHeaderFromPacket(buf)
		if wantErr == nil {
			again, err := AddLabelHeaderToPacket(want, wantLabel)
			if err != nil || !bytes.Equal(again, buf) {
				t.Errorf("adding what was removed gives %q, %v; want %q", again, err, buf)
			}
		}

		var r io.Reader = bytes.NewReader(buf)
		if slow {
			r = iotest.OneByteReader(r)
		}
		conn, label, err := RemoveLabelHeaderFromStream(&streamConn{r: r})
		if (err == nil) != (wantErr == nil) || label != wantLabel {
			t.Fatalf("stream %q, %v; packet %q, %v", label, err, wantLabel, wantErr)
		}
		if err != nil {
			return
		}
		if rest, err := io.ReadAll(conn); err != nil || !bytes.Equal(rest, want) {
			t.Errorf("the rest of the stream is %q, %v; of the packet %q", rest, err, want)
		}
	})
}
