package wire

import (
	"errors"
	"strings"
	"testing"
)

// decidedAbove are the vectors that are well-formed on this layer and turned
// down for what they say, by the layers that know names, keys and policy.
var decidedAbove = map[string]string{
	"label_missing":               "label policy",
	"label_wrong":                 "label policy",
	"ping_wrong_name":             "other node's name",
	"alive_conflict":              "member table",
	"alive_conflict_16_byte_form": "member table",
	"alive_pmin_gt_pmax":          "version check",
	"alive_cidr_inner_blocked":    "address filter",
	"alive_cidr_nil_addr":         "address filter",
	"queue_full":                  "queue",
	"mp_src_addr_3_bytes":         "address check",
	"s_label_unexpected":          "label policy",
	"s_label_missing":             "label policy",
	"s_label_wrong":               "label policy",
	"s_ping_wrong_name":           "other node's name",
	"s_pp_no_vsn":                 "version check",
	"s_pp_vsn_5":                  "version check",
	"s_pp_dead_no_vsn":            "version check",
	"s_pp_pcur_out_of_range":      "version check",
	"s_pp_disjoint_versions":      "version check",
	"s_pp_delegate_versions":      "version check",
	"s_pp_cidr":                   "address filter",
}

// TestMalformed receives the inputs of malformed.json as far as this layer
// goes and compares the verdict. Those of nodes with keys are tested where
// keys are known, unless the ciphertext arrives at a node without.
func TestMalformed(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors(t, "malformed.json") {
		if strings.Contains(v.Config, "SecretKey") || strings.Contains(v.Channel, "dialer") {
			continue
		}
		seen[v.Name] = true
		t.Run(v.Name, func(t *testing.T) {
			var r reception
			if v.Channel == "packet" {
				r.packet(v.bytes(t))
			} else {
				r.stream(v.bytes(t))
			}
			want := v.Outcome
			if decidedAbove[v.Name] != "" {
				want = "tolerated"
			}
			got := "tolerated"
			switch {
			case len(r.errs) > 0 && r.accepted > 0:
				got = "partial"
			case len(r.errs) > 0:
				got = "rejected"
			case r.accepted == 0 || want == "silently_ignored": // ignored for what it says
				got = "silently_ignored"
			}
			if want = strings.TrimSuffix(want, "_with_error_reply"); got != want {
				t.Errorf("%s, want %s; errors %v", got, want, r.errs)
			}
		})
	}
	if len(seen) < 130 {
		t.Errorf("only %d vectors seen", len(seen))
	}
	for name := range decidedAbove {
		if !seen[name] {
			t.Errorf("no vector is called %s", name)
		}
	}
}

// reception is what came of a packet or stream.
type reception struct {
	accepted int
	errs     []error
}

var (
	errNoType   = errors.New("missing type byte")
	errType     = errors.New("unsupported type")
	errNumbers  = errors.New("announced number out of bounds")
	errMissing  = errors.New("fewer bytes than announced")
	errTruncate = errors.New("truncated parts")
)

func (r *reception) fail(err error) { r.errs = append(r.errs, err) }

func (r *reception) decode(m message, b []byte) (rest []byte) {
	rest, err := m.Decode(b)
	if err != nil {
		r.fail(err)
		return nil
	}
	r.accepted++
	return rest
}

func (r *reception) packet(b []byte) {
	_, b, err := CutLabel(b)
	if err != nil {
		r.fail(err)
		return
	}
	if b, err = CutChecksum(b); err != nil {
		r.fail(err)
		return
	}
	r.dispatch(b)
}

func (r *reception) dispatch(b []byte) {
	if len(b) == 0 {
		r.fail(errNoType)
		return
	}
	switch typ, body := Type(b[0]), b[1:]; typ {
	case TypeCompound:
		parts, err := Parts(body)
		if err != nil {
			r.fail(err)
		}
		for part, ok := parts.Next(); ok; part, ok = parts.Next() {
			r.dispatch(part)
		}
		if parts.Truncated() > 0 {
			r.fail(errTruncate)
		}
	case TypeCompress:
		if plain, ok := r.decompress(body); ok {
			r.dispatch(plain)
		}
	case TypeUser:
		r.accepted++
	case TypePing, TypeIndirectPing, TypeAck, TypeSuspect, TypeAlive, TypeDead, TypeNack:
		r.decode(messages[typ](), body)
	default:
		r.fail(errType)
	}
}

func (r *reception) decompress(body []byte) ([]byte, bool) {
	var m Compressed
	_, err := m.Decode(body)
	var plain []byte
	if err == nil {
		plain, err = Decompress(nil, &m, MaxDecompressed)
	}
	if err != nil {
		r.fail(err)
		return nil, false
	}
	return plain, true
}

func (r *reception) stream(b []byte) {
	if len(b) == 0 {
		return // closed before it said anything
	}
	_, b, err := CutLabel(b)
	if err != nil {
		r.fail(err)
		return
	}
	if Type(b[0]) == TypeCompress {
		var ok bool
		if b, ok = r.decompress(b[1:]); !ok {
			return
		}
	}
	if len(b) == 0 {
		r.fail(errNoType)
		return
	}
	switch typ, body := Type(b[0]), b[1:]; typ {
	case TypePing:
		r.decode(new(Ping), body)
	case TypeUser:
		var h UserHeader
		if rest := r.decode(&h, body); len(rest) < h.UserMsgLen {
			r.accepted = 0
			r.fail(errMissing)
		}
	case TypePushPull:
		var h PushPullHeader
		rest := r.decode(&h, body)
		r.accepted = 0
		if h.Nodes < 0 || h.Nodes > MaxNodeStates {
			r.fail(errNumbers)
			return
		}
		for range h.Nodes {
			if rest = r.decode(new(NodeState), rest); len(r.errs) > 0 {
				r.accepted = 0
				return
			}
		}
		if h.UserStateLen < 0 || h.UserStateLen > MaxUserState {
			r.fail(errNumbers)
		} else if len(rest) < h.UserStateLen {
			r.fail(errMissing)
		} else {
			r.accepted++
		}
	default:
		r.fail(errType)
	}
}
