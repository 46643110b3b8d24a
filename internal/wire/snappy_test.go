package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSnappy(t *testing.T) {
	for name, src := range samples(t) {
		b := AppendSnappy(nil, src)
		var m Compressed
		mustDecode(t, &m, b[1:])
		if m.Algo != AlgoSnappy {
			t.Fatalf("%s: algorithm %d", name, m.Algo)
		}
		checkCompressed(t, b, src)
	}
	random := bytes.Clone(samples(t)["large"][:1400])
	for _, distance := range []int{1400, 2046, 2047, 2048, 65534, 65535, 65536, 70000} {
		for _, n := range []int{4, 11, 12, 63, 64, 65, 67, 68, 69, 128, 130} {
			src := append(bytes.Clone(random), make([]byte, distance-len(random))...)
			src = append(src, random[:n]...)
			checkCompressed(t, AppendSnappy(nil, src), src)
		}
	}
	if n := len(AppendSnappy(nil, samples(t)["text"])); n > 200 {
		t.Errorf("1170 bytes of repeated text take %d", n)
	}
}

// TestSnappyForms reads elements of all forms. Those marked * are what the
// encoder of the Grafana fork (github.com/golang/snappy v0.0.4) emits.
func TestSnappyForms(t *testing.T) {
	long := strings.Repeat("x", 70000)
	for _, c := range []struct{ in, want string }{
		{"00", ""},        // *
		{"01 00'a'", "a"}, // *
		{"17 14'hello ' 420600", "hello hello hello hello"},                                         // *
		{"8402 30'node-a alive ' fe0d00 fe0d00 fe0d00 da0d00", strings.Repeat("node-a alive ", 20)}, // *
		{"09 0c'abcd' 05 04", "abcdabcda"},                                                          // copy of 5 from 4 back
		{"09 0c'abcd' 12 0400", "abcdabcda"},                                                        // the same with 2 bytes of offset
		{"09 0c'abcd' 13 04000000", "abcdabcda"},                                                    // and with 4
		{"02 f000'a' f000'b'", "ab"},                                                                // literals with a length of 1, 2, 3 and 4 bytes
		{"02 f40000'a' f40000'b'", "ab"},
		{"02 f8000000'a' f8000000'b'", "ab"},
		{"02 fc00000000'a' fc00000000'b'", "ab"},
		{"f0a204 f86f1101'" + long + "'", long},
	} {
		got, err := Decompress([]byte("dst"), &Compressed{AlgoSnappy, unhex(t, c.in)}, len(c.want))
		if err != nil || string(got) != "dst"+c.want {
			t.Errorf("%.60s: %.60q, %v", c.in, got, err)
		}
	}

	for _, c := range []struct {
		what, in string
		err      error
	}{
		{"nothing", "", ErrMalformed},
		{"length unfinished", "80", ErrMalformed},
		{"length of 2^64", "80808080808080808002", ErrMalformed},
		{"length over the limit", "e907 00'a'", ErrTooLarge},
		{"length of 2^63", "80808080808080808001", ErrTooLarge},
		{"length that so few bytes cannot yield", "c807 00'a'", ErrMalformed},
		{"no elements", "01", ErrMalformed},
		{"elements without length", "00 00'a'", ErrMalformed},
		{"literal short", "02 04'a'", ErrMalformed},
		{"literal longer than announced", "01 04'ab'", ErrMalformed},
		{"literal of 2^32", "05 fcffffffff'abcde'", ErrMalformed},
		{"literal without its length", "01 f0", ErrMalformed},
		{"offset 0", "08 0c'abcd' 01 00", ErrMalformed},
		{"offset before the beginning", "08 0c'abcd' 01 05", ErrMalformed},
		{"offset of 4 GiB", "08 0c'abcd' 0f ffffffff", ErrMalformed},
		{"offset into what was there before", "05 00'a' 01 02", ErrMalformed},
		{"offset missing", "08 0c'abcd' 01", ErrMalformed},
		{"copy longer than announced", "07 0c'abcd' 01 04", ErrMalformed},
		{"ends early", "09 0c'abcd' 01 04", ErrMalformed},
	} {
		got, err := Decompress([]byte("dst"), &Compressed{AlgoSnappy, unhex(t, c.in)}, 1000)
		if !errors.Is(err, c.err) || string(got) != "dst" {
			t.Errorf("%s: %q, %v, want %v", c.what, got, err, c.err)
		}
	}
}
