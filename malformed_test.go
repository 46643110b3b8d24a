package memberlist

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// vector is an entry of testdata/wire/malformed.json: what a foreign node
// sends, and what v0.7.0 does with it.
type vector struct {
	Name          string
	Channel       string
	Config        string
	Hex           string
	Outcome       string
	Effect        []string
	ReturnedError *string `json:"returned_error"`
	Contacted     *bool
}

// differs lists the inputs that we treat differently on purpose, with what we
// do instead.
var differs = map[string]struct {
	why    string
	effect []string
}{
	"mp_src_addr_3_bytes":          {"no address: the ack goes where the ping came from", []string{"packet sent to @127.0.0.1:9: 0282a75061796c6f6164c0a55365714e6f2a"}},
	"mp_bool_fix0":                 {"pings are relayed to members only", nil},
	"mp_bool_fix1":                 {"pings are relayed to members only", nil},
	"suspect_self_max_incarnation": {"there is no higher incarnation to refute with, and 0 would never be believed", nil},
	"alive_conflict_16_byte_form": {"both forms are one address", []string{
		`node table: "node-b": [state=alive inc=5 addr=c0000207 port=7946 meta= vsn=1,5,2,0,0,0] -> ` +
			`[state=alive inc=6 addr=00000000000000000000ffffc0000207 port=7946 meta= vsn=1,5,2,0,0,0]`}},
	"alive_no_vsn":   {"a member without versions would stop every push/pull", nil},
	"alive_vsn_5":    {"a member without versions would stop every push/pull", nil},
	"alive_inc_0":    {"would be an entry that nobody ever hears of", nil},
	"alive_addr_nil": {"nobody could reach it", nil},
	"queue_full": {"a depth of zero means the default", []string{
		`node table: "node-b": [state=alive inc=5 addr=c0000207 port=7946 meta= vsn=1,5,2,0,0,0] -> ` +
			`[state=suspect inc=5 addr=c0000207 port=7946 meta= vsn=1,5,2,0,0,0]`}},
	"s_pp_negative_nodes":      {"the other end is told", []string{"stream reply: an error"}},
	"s_pp_too_many_nodes":      {"the other end is told", []string{"stream reply: an error"}},
	"s_pp_missing_states":      {"the other end is told", []string{"stream reply: an error"}},
	"s_pp_negative_userstate":  {"the other end is told", []string{"stream reply: an error"}},
	"s_type_2":                 {"the other end is told", []string{"stream reply: an error"}},
	"s_type_3":                 {"the other end is told", []string{"stream reply: an error"}},
	"s_type_5":                 {"the other end is told", []string{"stream reply: an error"}},
	"s_type_7":                 {"the other end is told", []string{"stream reply: an error"}},
	"s_type_11":                {"the other end is told", []string{"stream reply: an error"}},
	"s_type_12":                {"the other end is told", []string{"stream reply: an error"}},
	"s_type_14":                {"the other end is told", []string{"stream reply: an error"}},
	"s_type_99":                {"the other end is told", []string{"stream reply: an error"}},
	"s_enc_unknown_inner_type": {"the other end is told", []string{"stream reply: an error"}},
	"s_compress_nested":        {"the other end is told", []string{"stream reply: an error"}},
	"s_compress_enc":           {"the other end is told", []string{"stream reply: an error"}},
	"s_compress_label":         {"the other end is told", []string{"stream reply: an error"}},
}

// alsoSends lists inputs after which we send more than the reference does.
var alsoSends = map[string]string{
	// The known address is asked, and users are told when it answers.
	"alive_conflict": "packet sent to node-b@192.0.2.7:7946: 0084a44e6f6465a66e6f64652d62a55365714e6f01aa536f7572636541646472a47f000001aa536f757263654e6f6465a66e6f64652d61",
	// Who is said to be dead is told, so that it can refute.
	"s_pp_dead_known": "packet sent to node-b@192.0.2.7:7946: 0c7031d5d60383a446726f6da66e6f64652d61ab496e6361726e6174696f6e05a44e6f6465a66e6f64652d62",
}

func TestForeignBytesHaveTheEffectOfTheReference(t *testing.T) {
	raw, err := os.ReadFile("testdata/wire/malformed.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runVector(t, v) })
		})
	}
}

func runVector(t *testing.T, v vector) {
	c, tap := tapConfig("node-a")
	d := &userDelegate{state: []byte("local")}
	c.Delegate = d
	configure(t, c, v.Config)
	m := start(t, c)
	known := wire.Alive{Incarnation: 5, Node: []byte("node-b"), Addr: []byte{192, 0, 2, 7}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}}
	if m.admit(&known) {
		m.step(func(s *swim, now time.Time) { s.handleAlive(now, &known) })
	}
	silence(m)
	before := entriesOf(m)
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}

	var effect []string
	var result error
	contacted := false
	switch {
	case v.Channel == "packet":
		tap.packets <- &Packet{Buf: b, From: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, Timestamp: time.Now()}
	case strings.HasPrefix(v.Channel, "stream (listener"):
		near, far := net.Pipe()
		tap.streams <- &halfClosed{Conn: far, in: b}
		reply, _ := io.ReadAll(near)
		near.Close()
		if len(reply) > 0 {
			effect = append(effect, "stream reply: "+plain(m, reply))
		}
	case strings.HasSuffix(v.Channel, "pushpull)"):
		tap.dialed = answerWith(b)
		_, result = m.exchange(m.ctx, endpoint{host: "x"}, false)
		if result == nil {
			var tell func()
			if tell, result = m.dialPushPull(endpoint{host: "x"}, false); tell != nil {
				tell()
			}
		}
	default:
		tap.dialed = answerWith(b)
		contacted = m.dialPing(dial{kind: dialPing, to: endpoint{host: "x", name: "node-b"}, seq: 42, deadline: time.Now().Add(time.Second)})
	}
	synctest.Wait()
	for _, p := range tap.take() {
		effect = append(effect, fmt.Sprintf("packet sent to %s@%s: %s", p.to.Name, p.to.Addr, plain(m, p.buf)))
	}
	for _, call := range d.take() {
		if !strings.HasPrefix(call, "LocalState") {
			effect = append(effect, call)
		}
	}
	after := entriesOf(m)
	for name, state := range after {
		if before[name] != state {
			effect = append(effect, fmt.Sprintf("node table: %q: [%s] -> [%s]", name, before[name], state))
		}
	}

	want := v.Effect
	if other, ok := differs[v.Name]; ok {
		want = other.effect
	}
	if more, ok := alsoSends[v.Name]; ok {
		want = append(want, more)
	}
	want = slices.Clone(want)
	for i := range want {
		want[i] = normal(m, want[i])
	}
	for i := range effect {
		effect[i] = normal(m, effect[i])
	}
	slices.Sort(effect)
	slices.Sort(want)
	if !slices.Equal(effect, want) {
		t.Errorf("effect\n%s\nwant\n%s", strings.Join(effect, "\n"), strings.Join(want, "\n"))
	}
	if v.ReturnedError != nil && *v.ReturnedError != "" && v.Contacted == nil && result == nil {
		t.Errorf("no error, want one like %q", *v.ReturnedError)
	}
	if v.Contacted != nil && contacted != *v.Contacted {
		t.Errorf("contacted = %v", contacted)
	}
}

// configure understands the config texts of the vectors.
func configure(t *testing.T, c *Config, text string) {
	if text == "no label, no encryption" {
		return
	}
	for _, part := range strings.Split(text, ", ") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "Label":
			c.Label = value
		case "SecretKey":
			c.SecretKey, _ = hex.DecodeString(value)
		case "GossipVerifyIncoming":
			c.GossipVerifyIncoming = value == "true"
		case "CIDRsAllowed":
			nets, err := ParseCIDRs([]string{strings.Trim(value, "[]")})
			if err != nil {
				t.Fatal(err)
			}
			c.CIDRsAllowed = nets
		case "HandoffQueueDepth":
			c.HandoffQueueDepth = 0
		default:
			t.Fatalf("unknown config %q", text)
		}
	}
}

// entriesOf describes every entry of the member table.
func entriesOf(m *Memberlist) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := []string{"alive", "suspect", "dead", "left"}
	table := make(map[string]string)
	for _, s := range m.swim.appendState(nil) {
		vsn := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Vsn), " ", ","), "[]")
		table[string(s.Name)] = fmt.Sprintf("state=%s inc=%d addr=%x port=%d meta=%x vsn=%s", states[s.State], s.Incarnation, s.Addr, s.Port, s.Meta, vsn)
	}
	return table
}

// plain removes encryption, since its nonces are random. The label of a packet
// stays.
func plain(m *Memberlist, b []byte) string {
	ring := m.config.Keyring
	if !ring.enabled() {
		return hex.EncodeToString(b)
	}
	b = slices.Clone(b)
	aad, sealed := m.label, b
	if wire.Type(b[0]) == wire.TypeEncrypt {
		aad, sealed = append(slices.Clone(b[:5]), m.label...), b[5:]
	}
	opened, err := ring.open(sealed, aad)
	if err != nil {
		return "cannot open: " + err.Error()
	}
	return hex.EncodeToString(opened)
}

// normal makes an effect comparable: our own port and address vary, and so do
// the texts of errors and the order of node states.
func normal(m *Memberlist, effect string) string {
	kind, data, ok := strings.Cut(effect, ": ")
	if !ok || kind != "stream reply" && !strings.HasPrefix(kind, "packet sent") {
		return strings.ReplaceAll(effect, "port=7000", "port=<port>")
	}
	b, err := hex.DecodeString(data)
	if err != nil || len(b) == 0 {
		return effect
	}
	if wire.Type(b[0]) == wire.TypeEncrypt || b[0] == 1 && m.config.Keyring.enabled() {
		data = plain(m, b)
		b, _ = hex.DecodeString(data)
	}
	switch wire.Type(b[0]) {
	case wire.TypeError:
		return kind + ": an error"
	case wire.TypePing:
		var p wire.Ping
		if _, err := p.Decode(b[1:]); err == nil {
			p.SourcePort = 0
			return fmt.Sprintf("%s: %x", kind, p.Append(nil))
		}
	case wire.TypePushPull:
		return kind + ": " + describeState(b)
	}
	return kind + ": " + data
}

// describeState describes a push/pull message whatever the order of its states.
func describeState(b []byte) string {
	var h wire.PushPullHeader
	rest, err := h.Decode(b[1:])
	if err != nil {
		return err.Error()
	}
	var nodes []string
	for range h.Nodes {
		var n wire.NodeState
		if rest, err = n.Decode(rest); err != nil {
			return err.Error()
		}
		if string(n.Name) == "node-a" {
			n.Port = 0
		}
		nodes = append(nodes, fmt.Sprintf("%x", n.Append(nil)))
	}
	slices.Sort(nodes)
	return fmt.Sprint(h, nodes, hex.EncodeToString(rest))
}

// halfClosed is a stream whose other end has sent in and nothing more will
// come, but still reads.
type halfClosed struct {
	net.Conn
	in []byte
}

func (c *halfClosed) Read(b []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.in)
	c.in = c.in[n:]
	return n, nil
}

// answerWith dials a listener that reads for a while, answers and hangs up.
func answerWith(b []byte) func(Address, time.Duration) (net.Conn, error) {
	return func(Address, time.Duration) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			far.SetDeadline(time.Now().Add(time.Second))
			io.Copy(io.Discard, far)
			far.SetDeadline(time.Time{})
			if len(b) > 0 { // a pipe passes on nothing, too
				far.Write(b)
			}
		}()
		return near, nil
	}
}
