package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// message is what every message type can do.
type message interface {
	Append([]byte) []byte
	Decode([]byte) ([]byte, error)
}

// messages makes an empty message of each type that has a struct of its own.
// The header of a push/pull and of a user message stand for the whole.
var messages = map[Type]func() message{
	TypePing:         func() message { return new(Ping) },
	TypeIndirectPing: func() message { return new(IndirectPing) },
	TypeAck:          func() message { return new(Ack) },
	TypeSuspect:      func() message { return new(Suspect) },
	TypeAlive:        func() message { return new(Alive) },
	TypeDead:         func() message { return new(Dead) },
	TypePushPull:     func() message { return new(PushPullHeader) },
	TypeUser:         func() message { return new(UserHeader) },
	TypeCompress:     func() message { return new(Compressed) },
	TypeNack:         func() message { return new(Nack) },
	TypeError:        func() message { return new(ErrorResponse) },
}

// vector is one entry of the golden vectors in testdata/wire.
type vector struct {
	Name    string          `json:"name"`
	Hex     string          `json:"hex"`
	Channel string          `json:"channel"`
	Config  string          `json:"config"`
	Outcome string          `json:"outcome"`
	Fields  json.RawMessage `json:"fields"`
}

func (v *vector) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return b
}

// vectors reads a file of golden vectors.
func vectors(t testing.TB, file string) []vector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "wire", file))
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(b, &vs); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return vs
}

func mustDecode(t testing.TB, m message, b []byte) (rest []byte) {
	t.Helper()
	rest, err := m.Decode(b)
	if err != nil {
		t.Fatalf("decode %T from %x: %v", m, b, err)
	}
	if !bytes.HasSuffix(b, rest) {
		t.Fatalf("decode %T from %x: rest %x is not its end", m, b, rest)
	}
	return rest
}
