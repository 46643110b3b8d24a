package wire

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// The reference codec is the oracle of the differential tests. It works by
// reflection on structs of the protocol's own types: strings where ours have
// bytes, and fields in declaration order, to which arrays refer.

type oraclePing struct {
	SeqNo      uint32
	Node       string
	SourceAddr []byte `codec:",omitempty"`
	SourcePort uint16 `codec:",omitempty"`
	SourceNode string `codec:",omitempty"`
}

type oracleIndirectPing struct {
	SeqNo      uint32
	Target     []byte
	Port       uint16
	Node       string
	Nack       bool
	SourceAddr []byte `codec:",omitempty"`
	SourcePort uint16 `codec:",omitempty"`
	SourceNode string `codec:",omitempty"`
}

type oracleAck struct {
	SeqNo   uint32
	Payload []byte
}

type oracleNack struct{ SeqNo uint32 }

type oracleAccusation struct {
	Incarnation uint32
	Node        string
	From        string
}

type oracleAlive struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Vsn         []uint8
}

type oracleNodeState struct {
	Name        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Incarnation uint32
	State       int
	Vsn         []uint8
}

type oraclePushPull struct {
	Nodes        int
	UserStateLen int
	Join         bool
}

type oracleUser struct{ UserMsgLen int }

type oracleError struct{ Error string }

type oracleCompressed struct {
	Algo uint8
	Buf  []byte
}

// oracle returns an empty message of the reference codec that corresponds to m.
func oracle(m message) any {
	switch m.(type) {
	case *Ping:
		return new(oraclePing)
	case *IndirectPing:
		return new(oracleIndirectPing)
	case *Ack:
		return new(oracleAck)
	case *Nack:
		return new(oracleNack)
	case *Suspect, *Dead:
		return new(oracleAccusation)
	case *Alive:
		return new(oracleAlive)
	case *NodeState:
		return new(oracleNodeState)
	case *PushPullHeader:
		return new(oraclePushPull)
	case *UserHeader:
		return new(oracleUser)
	case *ErrorResponse:
		return new(oracleError)
	case *Compressed:
		return new(oracleCompressed)
	}
	panic(fmt.Sprintf("%T has no oracle", m))
}

// oracleDecode decodes b into v as the reference implementation does and
// returns the bytes after the struct.
func oracleDecode(v any, b []byte) (rest []byte, err error) {
	r := bytes.NewReader(b)
	if err := codec.NewDecoder(r, &codec.MsgpackHandle{}).Decode(v); err != nil {
		return nil, err
	}
	return b[len(b)-r.Len():], nil
}

// oracleEncode encodes v as the reference implementation does, without a type byte.
func oracleEncode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := codec.NewEncoder(&b, &codec.MsgpackHandle{}).Encode(v)
	return b.Bytes(), err
}

// difference says where our message and the oracle's differ: nothing when
// each field has the same value, nil and empty byte slices told apart.
func difference(ours message, theirs any) string {
	o, r := reflect.ValueOf(ours).Elem(), reflect.ValueOf(theirs).Elem()
	if o.NumField() != r.NumField() {
		return fmt.Sprintf("%T has other fields than %T", ours, theirs)
	}
	for i := range r.NumField() {
		name := r.Type().Field(i).Name
		of, rf := o.FieldByName(name), r.Field(i)
		switch want := rf.Interface().(type) {
		case string:
			if got := of.Bytes(); string(got) != want {
				return fmt.Sprintf("%s = %q, want %q", name, got, want)
			}
		case []byte:
			if got := of.Bytes(); !bytes.Equal(got, want) || (got == nil) != (want == nil) {
				return fmt.Sprintf("%s = %#v, want %#v", name, got, want)
			}
		default:
			if got := of.Interface(); got != want {
				return fmt.Sprintf("%s = %v, want %v", name, got, want)
			}
		}
	}
	return ""
}
