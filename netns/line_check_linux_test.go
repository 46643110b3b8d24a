package netns

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"
)

// Lines are as bad as they claim to be, and fences hold, whoever makes them.
func TestLines(t *testing.T) {
	if skip != "" {
		t.Skip(skip)
	}
	if *mode == modeQuick {
		t.Skip("the quick scenarios have no bad lines")
	}
	const ms = time.Millisecond
	for _, tc := range []struct {
		name string
		make func(from, to *host)
		// Of 500 packets.
		arriveMin, arriveMax, doubleMin, lateMin int
		fastest, slowest                         time.Duration
	}{
		{"good", func(from, to *host) {}, 500, 500, 0, 0, 0, 40 * ms},
		{"loss", func(from, to *host) { to.impair(quality{loss: 20}) }, 325, 465, 0, 0, 0, 40 * ms},
		{"delay", func(from, to *host) { to.impair(quality{delay: 60 * ms, jitter: 10 * ms}) }, 500, 500, 0, 0, 50 * ms, 110 * ms},
		{"twice", func(from, to *host) { from.impair(quality{duplicate: 20}) }, 500, 500, 35, 0, 0, 40 * ms},
		{"disorder", func(from, to *host) { from.impair(quality{delay: 60 * ms, reorder: 20}) }, 500, 500, 0, 150, 0, 110 * ms},
		{"fence before", func(from, to *host) { from.dropOut("meta l4proto udp") }, 0, 0, 0, 0, 0, 0},
		{"fence behind", func(from, to *host) { to.dropIn("ip saddr " + ip4(from.number)) }, 0, 0, 0, 0, 0, 0},
		{"fence the other way", func(from, to *host) { to.dropOut("meta l4proto udp"); from.dropIn("meta l4proto udp") }, 500, 500, 0, 0, 0, 40 * ms},
		{"fence taken away", func(from, to *host) { to.drop("udp"); to.pass() }, 500, 500, 0, 0, 0, 40 * ms},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			nw := newNetwork(t, 2, onlyIPv4)
			from, to := nw.hosts[0], nw.hosts[1]
			probe(t, from, to, 1) // addresses are resolved before a packet can be lost for it
			tc.make(from, to)
			got := probe(t, from, to, 500)
			t.Logf("%+v", got)
			if got.arrived < tc.arriveMin || got.arrived > tc.arriveMax {
				t.Errorf("%d packets arrived, not %d to %d", got.arrived, tc.arriveMin, tc.arriveMax)
			}
			if got.twice < tc.doubleMin || tc.doubleMin == 0 && got.twice > 0 {
				t.Errorf("%d packets arrived twice", got.twice)
			}
			if got.late < tc.lateMin || tc.lateMin == 0 && tc.slowest <= 40*ms && got.late > 0 {
				t.Errorf("%d packets arrived after a later one", got.late)
			}
			if got.arrived > 0 && (got.median < tc.fastest || got.median > tc.slowest) {
				t.Errorf("the median took %v, not %v to %v", got.median, tc.fastest, tc.slowest)
			}
		})
	}
}

// journey is what became of packets.
type journey struct {
	arrived, twice, late int
	median               time.Duration
}

// probe sends numbered packets from one host to another.
func probe(t *testing.T, from, to *host, packets int) (j journey) {
	t.Helper()
	target := &net.UDPAddr{IP: net.ParseIP(ip4(to.number)), Port: 9}
	in, out := listen(t, to, target), listen(t, from, nil)
	defer in.Close()
	defer out.Close()
	sender := make(chan struct{})
	go func() {
		defer close(sender)
		packet := make([]byte, 12)
		for i := range packets {
			binary.BigEndian.PutUint32(packet, uint32(i))
			binary.BigEndian.PutUint64(packet[4:], uint64(time.Now().UnixNano()))
			out.WriteTo(packet, target)
			time.Sleep(time.Millisecond) // several during a delay, and none lost to a full buffer
		}
	}()
	// All is over when nothing has come for a while after the last was sent.
	seen := make([]bool, packets)
	var took []time.Duration
	last, over := -1, false
	for packet := make([]byte, 100); ; {
		in.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := in.Read(packet)
		switch {
		case err == nil && n == 12:
		case over:
			slices.Sort(took)
			if len(took) > 0 {
				j.median = took[len(took)/2]
			}
			return j
		default:
			select {
			case <-sender:
				over = true // once more, for what came in between
			default:
			}
			continue
		}
		i := int(binary.BigEndian.Uint32(packet))
		switch {
		case i >= packets: // of an earlier probe
		case seen[i]:
			j.twice++
		default:
			seen[i] = true
			j.arrived++
			took = append(took, time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(packet[4:])))))
			if i < last {
				j.late++
			}
			last = max(last, i)
		}
	}
}

func listen(t *testing.T, h *host, at *net.UDPAddr) (conn *net.UDPConn) {
	t.Helper()
	if err := h.ns.do(func() (err error) {
		conn, err = net.ListenUDP("udp4", at)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return conn
}
