package bench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// TestMain makes the test binary answer pings when a benchmark asks for that.
func TestMain(m *testing.M) {
	if role := os.Getenv(floodRole); role != "" {
		if err := serveFlood(role, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// floodRole is the variable that says who answers: a node, or nothing but a loop.
const (
	floodRole = "MEMBERLIST_BENCH_FLOOD"
	floodNode = "node"
	floodLoop = "loop"
)

// loopback is a configuration for a node on a port of its own.
func loopback(name string, logs io.Writer) *Config {
	c := defaultConfig()
	c.Name = name
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.Logger = log.New(logs, "", 0)
	return c
}

// serveFlood answers pings, as a node in the default configuration or in a loop.
// It prints its port, and for each line that it reads the processor time, the
// bytes and the objects that it has used so far.
func serveFlood(role string, in io.Reader, out io.Writer) error {
	if role == floodLoop {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		defer conn.Close()
		go answerFlood(conn)
		fmt.Fprintln(out, conn.LocalAddr().(*net.UDPAddr).Port)
	} else {
		m, err := create(loopback(nodeName, io.Discard))
		if err != nil {
			return err
		}
		defer m.Shutdown()
		fmt.Fprintln(out, m.LocalNode().Port)
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		used := processorTime()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		fmt.Fprintln(out, used.Nanoseconds(), mem.TotalAlloc, mem.Mallocs)
	}
	return nil
}

// answerFlood does what no implementation can do without, until conn is closed: it
// reads a ping and writes the ack.
func answerFlood(conn *net.UDPConn) {
	buf, ack := make([]byte, 2048), make([]byte, 0, ackSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var ping wire.Ping
		if _, err := ping.Decode(buf[1:n]); err != nil {
			return
		}
		conn.WriteToUDPAddrPort(wire.Ack{SeqNo: ping.SeqNo}.Append(ack), from)
	}
}

// BenchmarkFlood: another process in the default configuration answers pings
// over UDP. One operation is a ping and its ack. What is measured is that
// process, system calls included.
func BenchmarkFlood(b *testing.B) { benchFlood(b, floodNode) }

func benchFlood(b *testing.B, role string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floodRole+"="+role)
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer orders.Close()
	var port int
	if _, err := fmt.Fscan(answers, &port); err != nil {
		b.Fatal(err)
	}
	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	usage := func() (u [3]int64) {
		fmt.Fprintln(orders)
		if _, err := fmt.Fscan(answers, &u[0], &u[1], &u[2]); err != nil {
			b.Fatal(err)
		}
		return u
	}
	const pings = 5_000
	flood(b, conn, 200) // gossip about itself, and what is made only once
	before := usage()
	began := time.Now()
	flood(b, conn, b.N*pings)
	n := float64(b.N * pings)
	b.ReportAllocs()
	b.ReportMetric(float64(time.Since(began).Nanoseconds())/n, "ns/op")
	after := usage()
	for i, unit := range []string{"cpu-ns/op", "B/op", "allocs/op"} {
		b.ReportMetric(float64(after[i]-before[i])/n, unit)
	}
}

// flood sends pings and takes the acks, a burst at a time that fits into the
// socket's buffer.
func flood(b *testing.B, conn *net.UDPConn, pings int) {
	const burst = 50
	buf := make([]byte, 2048)
	source := conn.LocalAddr().(*net.UDPAddr)
	for seq := uint32(0); int(seq) < pings; {
		first := seq
		for ; int(seq-first) < burst && int(seq) < pings; seq++ {
			msg := wire.Ping{
				SeqNo: seq, Node: []byte(nodeName),
				SourceAddr: source.IP.To4(), SourcePort: uint16(source.Port), SourceNode: []byte("flood"),
			}.Append(nil)
			if _, err := conn.Write(msg); err != nil {
				b.Fatal(err)
			}
		}
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for range seq - first {
			n, err := conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			if got := ackOf(b, buf[:n]); got < first || got >= seq {
				b.Fatalf("ack of ping %d, expected %d to %d", got, first, seq-1)
			}
		}
	}
}

// ackOf reads the sequence number of an ack, which may have gossip behind it.
func ackOf(b *testing.B, msg []byte) uint32 {
	if len(msg) > 0 && wire.Type(msg[0]) == wire.TypeCompress {
		var c wire.Compressed
		if _, err := c.Decode(msg[1:]); err != nil {
			b.Fatal(err)
		}
		var err error
		if msg, err = wire.Decompress(nil, &c, 1<<16); err != nil {
			b.Fatal(err)
		}
	}
	if len(msg) > 4 && wire.Type(msg[0]) == wire.TypeCompound {
		length := binary.BigEndian.Uint16(msg[2:])
		start := 2 + 2*int(msg[1])
		msg = msg[start : start+int(length)]
	}
	var a wire.Ack
	if len(msg) == 0 || wire.Type(msg[0]) != wire.TypeAck {
		b.Fatalf("no ack: %x", msg)
	}
	if _, err := a.Decode(msg[1:]); err != nil {
		b.Fatal(err)
	}
	return a.SeqNo
}
