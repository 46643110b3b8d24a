package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// node is the decoded meaning of a vector, as its fields say it.
type meaning = map[string]any

// TestGoldenPackets takes every packet apart, layer by layer, compares each
// message with the meaning written next to it, and builds the packet anew.
func TestGoldenPackets(t *testing.T) {
	for _, v := range vectors(t, "packets.json") {
		t.Run(v.Name, func(t *testing.T) {
			fields := fieldsOf(t, v)
			packet := v.bytes(t)
			content, _ := fields["message"].(meaning)
			layers := layersOf(fields)

			rest := packet
			var frame []func([]byte) []byte // rebuilds the layers, outermost first
			label, rest, err := CutLabel(rest)
			if err != nil {
				t.Fatal(err)
			}
			if len(label) > 0 {
				layers = wantLayer(t, layers, "label", "label", string(label))
				frame = append(frame, func(b []byte) []byte {
					head, err := AppendLabel(nil, string(label))
					if err != nil {
						t.Fatal(err)
					}
					return append(head, b...)
				})
			}
			payload, err := CutChecksum(rest)
			if err != nil {
				t.Fatal(err)
			}
			if len(payload) < len(rest) {
				layers = wantLayer(t, layers, "crc", "crc32", hex.EncodeToString(rest[1:ChecksumLen]))
				frame = append(frame, func(b []byte) []byte {
					b = append(make([]byte, ChecksumLen), b...)
					PutChecksum(b)
					return b
				})
			}
			if len(layers) > 0 {
				t.Fatalf("layers not found: %v", layers)
			}

			got := reencodePacket(t, payload, content)
			for i := len(frame) - 1; i >= 0; i-- {
				got = frame[i](got)
			}
			if !bytes.Equal(got, packet) {
				t.Errorf("encoded again\n%x, want\n%x", got, packet)
			}
		})
	}
}

// reencodePacket decodes a packet without label and checksum and encodes it again.
func reencodePacket(t *testing.T, b []byte, want meaning) []byte {
	t.Helper()
	if len(b) == 0 {
		if want["error"] != "empty" {
			t.Fatalf("empty message, want %v", want)
		}
		return nil
	}
	typ, body := Type(b[0]), b[1:]
	switch typ {
	case TypeCompound:
		parts, err := Parts(body)
		if err != nil {
			t.Fatal(err)
		}
		wantParts, _ := want["parts"].([]any)
		var msgs [][]byte
		for part, ok := parts.Next(); ok; part, ok = parts.Next() {
			msgs = append(msgs, reencodePacket(t, part, wantParts[len(msgs)].(meaning)))
		}
		if parts.Truncated() != 0 || len(msgs) != len(wantParts) {
			t.Fatalf("%d parts and %d truncated, want %d", len(msgs), parts.Truncated(), len(wantParts))
		}
		return AppendCompound(nil, msgs)
	case TypeUser:
		if got := want["user_hex"]; got != nil && got != hex.EncodeToString(body) {
			t.Fatalf("user message %x, want %v", body, got)
		}
		return append([]byte{byte(TypeUser)}, body...)
	case TypeCompress:
		return reencodeCompressed(t, b, want)
	}
	m := newMessage(t, typ)
	if rest := mustDecode(t, m, body); len(rest) != 0 {
		t.Fatalf("%x left over", rest)
	}
	wantFields(t, m, want)
	return m.Append(nil)
}

// reencodeCompressed decompresses, compresses what it finds, decompresses that
// again, and returns the message it was given, encoded anew around the same
// compressed bytes: those of two encoders may differ.
func reencodeCompressed(t *testing.T, b []byte, want meaning) []byte {
	t.Helper()
	var m Compressed
	if rest := mustDecode(t, &m, b[1:]); len(rest) != 0 {
		t.Fatalf("%x left over", rest)
	}
	plain, err := Decompress(nil, &m, MaxDecompressed)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(plain); got != want["decompressed_hex"] {
		t.Fatalf("decompressed to\n%s, want\n%v", got, want["decompressed_hex"])
	}
	if inner, ok := want["inner"].(meaning); ok {
		if again := reencodePacket(t, plain, inner); !bytes.Equal(again, plain) {
			t.Fatalf("inner message encoded again\n%x, want\n%x", again, plain)
		}
	}
	var own Compressed
	mustDecode(t, &own, AppendCompressed(nil, plain)[1:])
	if again, err := Decompress(nil, &own, MaxDecompressed); err != nil || !bytes.Equal(again, plain) {
		t.Fatalf("compressed and decompressed: %x, %v, want %x", again, err, plain)
	}
	return m.Append(nil)
}

// TestGoldenStreams does the same with everything that is not encrypted on a stream.
func TestGoldenStreams(t *testing.T) {
	plain := 0
	for _, v := range vectors(t, "streams.json") {
		fields := fieldsOf(t, v)
		layers := layersOf(fields)
		if strings.Contains(string(v.Fields), `"layer": "encrypt"`) || strings.Contains(string(v.Fields), `"layer":"encrypt"`) {
			continue
		}
		plain++
		t.Run(v.Name, func(t *testing.T) {
			stream := v.bytes(t)
			label, frame, err := CutLabel(stream)
			if err != nil {
				t.Fatal(err)
			}
			got, err := AppendLabel(nil, string(label))
			if err != nil {
				t.Fatal(err)
			}
			if len(label) > 0 {
				layers = wantLayer(t, layers, "label", "label", string(label))
			}
			if Type(frame[0]) == TypeCompress {
				layer := layers[0].(meaning)
				got = append(got, reencodeCompressed(t, frame, layer)...)
				inner, err := hex.DecodeString(layer["decompressed_hex"].(string))
				if err != nil {
					t.Fatal(err)
				}
				layers = layers[1:]
				if again := reencodeStream(t, inner, fields); !bytes.Equal(again, inner) {
					t.Errorf("inner message encoded again\n%x, want\n%x", again, inner)
				}
			} else {
				got = append(got, reencodeStream(t, frame, fields)...)
			}
			if len(layers) > 0 {
				t.Fatalf("layers not found: %v", layers)
			}
			if !bytes.Equal(got, stream) {
				t.Errorf("encoded again\n%x, want\n%x", got, stream)
			}
		})
	}
	if plain < 70 {
		t.Errorf("only %d streams without encryption", plain)
	}
}

// reencodeStream decodes the message of a stream and encodes it again.
func reencodeStream(t *testing.T, b []byte, want meaning) []byte {
	t.Helper()
	typ, body := Type(b[0]), b[1:]
	m := newMessage(t, typ)
	rest := mustDecode(t, m, body)
	got := m.Append(nil)
	switch m := m.(type) {
	case *PushPullHeader:
		wantFields(t, m, want["header"].(meaning))
		nodes, _ := want["nodes"].([]any)
		if len(nodes) != m.Nodes {
			t.Fatalf("%d nodes announced, want %d", m.Nodes, len(nodes))
		}
		for _, node := range nodes {
			var state NodeState
			rest = mustDecode(t, &state, rest)
			wantFields(t, &state, node.(meaning))
			got = state.Append(got)
		}
		if len(rest) != m.UserStateLen {
			t.Fatalf("%d bytes of user state announced, %d found", m.UserStateLen, len(rest))
		}
		if want, ok := want["user_state_hex"]; ok && want != hex.EncodeToString(rest) {
			t.Fatalf("user state %x, want %v", rest, want)
		}
	case *UserHeader:
		if len(rest) != m.UserMsgLen {
			t.Fatalf("%d bytes announced, %d found", m.UserMsgLen, len(rest))
		}
		if want := want["user_hex"]; want != hex.EncodeToString(rest) {
			t.Fatalf("user message %x, want %v", rest, want)
		}
	default:
		wantFields(t, m, want)
		if len(rest) != 0 {
			t.Fatalf("%x left over", rest)
		}
	}
	return append(got, rest...)
}

func newMessage(t *testing.T, typ Type) message {
	t.Helper()
	make, ok := messages[typ]
	if !ok {
		t.Fatalf("type %d has no struct", typ)
	}
	return make()
}

func fieldsOf(t *testing.T, v vector) meaning {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(v.Fields))
	d.UseNumber()
	var fields meaning
	if err := d.Decode(&fields); err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return fields
}

func layersOf(fields meaning) []any {
	layers, _ := fields["layers"].([]any)
	return layers
}

// wantLayer checks the outermost of layers and returns the others.
func wantLayer(t *testing.T, layers []any, kind, key, value string) []any {
	t.Helper()
	if len(layers) == 0 {
		t.Fatalf("unexpected layer %s", kind)
	}
	if l := layers[0].(meaning); l["layer"] != kind || l[key] != value {
		t.Fatalf("layer %s %s, want %v", kind, value, l)
	}
	return layers[1:]
}

// stringFields are those of which the vectors say the text; of the other byte
// slices they say the hexadecimal form.
var stringFields = map[string]bool{"Node": true, "From": true, "Name": true, "SourceNode": true, "Error": true}

// wantFields compares every field of m with its meaning.
func wantFields(t *testing.T, m message, want meaning) {
	t.Helper()
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).Interface()
		var ok bool
		switch got := value.(type) {
		case []byte:
			switch {
			case want[name+"_len"] != nil:
				n, err := want[name+"_len"].(json.Number).Int64()
				char := want[name+"_all_bytes"].(string)
				ok = err == nil && string(got) == strings.Repeat(char, int(n))
			case want[name+"_hex"] != nil:
				ok = want[name+"_hex"] == hex.EncodeToString(got)
			case stringFields[name]:
				ok = want[name] == string(got)
			case got == nil:
				_, present := want[name]
				ok = present && want[name] == nil
			default:
				ok = want[name] == hex.EncodeToString(got)
			}
		case bool:
			ok = want[name] == got
		default:
			n, isNumber := want[name].(json.Number)
			b, err := json.Marshal(value)
			ok = isNumber && err == nil && string(b) == n.String()
		}
		if !ok {
			t.Errorf("%T: %s = %v, want %v", m, name, value, want)
		}
	}
}
