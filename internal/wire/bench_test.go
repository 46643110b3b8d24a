package wire

import (
	"bytes"
	"reflect"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	buf := make([]byte, 0, 8192)
	for _, m := range fullMessages() {
		b.Run(typeName(m), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf = m.Append(buf[:0])
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, m := range fullMessages() {
		b.Run(typeName(m), func(b *testing.B) {
			body := m.Append(nil)
			if _, bare := m.(*NodeState); !bare {
				body = body[1:]
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := m.Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeReference is what the reference codec needs for the same.
func BenchmarkDecodeReference(b *testing.B) {
	body := fullMessages()[6].Append(nil)[1:]
	b.ReportAllocs()
	for b.Loop() {
		var m oracleAlive
		if _, err := oracleDecode(&m, body); err != nil {
			b.Fatal(err)
		}
	}
}

// packets are an ack, and a full gossip packet that compresses well, and one that does not.
func packets(b *testing.B) map[string][]byte {
	var alive [][]byte
	for i := range 20 {
		m := *fullMessages()[6].(*Alive)
		m.Node = []byte("node-" + string(rune('a'+i)))
		alive = append(alive, m.Append(nil))
	}
	return map[string][]byte{
		"ack":    fullMessages()[2].Append(nil),
		"gossip": AppendCompound(nil, alive),
		"random": samples(b)["random 1400"],
	}
}

func BenchmarkCompress(b *testing.B) {
	for name, src := range packets(b) {
		b.Run(name, func(b *testing.B) {
			buf := AppendCompressed(nil, src)
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				buf = AppendCompressed(buf[:0], src)
			}
		})
	}
}

func BenchmarkSnappy(b *testing.B) {
	for name, src := range packets(b) {
		b.Run(name, func(b *testing.B) {
			buf := AppendSnappy(nil, src)
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				buf = AppendSnappy(buf[:0], src)
			}
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	for name, src := range packets(b) {
		b.Run(name, func(b *testing.B) {
			var m Compressed
			mustDecode(b, &m, AppendCompressed(nil, src)[1:])
			buf := make([]byte, 0, 2*len(src))
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				got, err := Decompress(buf, &m, MaxDecompressed)
				if err != nil || !bytes.Equal(got, src) {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParts(b *testing.B) {
	body := packets(b)["gossip"][1:]
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parts(body)
		if err != nil {
			b.Fatal(err)
		}
		for _, ok := p.Next(); ok; _, ok = p.Next() {
		}
	}
}

func typeName(m message) string { return reflect.TypeOf(m).Elem().Name() }
