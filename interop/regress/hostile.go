package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/swimguard/memberlist/internal/wire"
)

func millionNodes() string {
	e := new(ether)
	p := e.newPort()
	m := create(config("a", p, nil))
	defer m.Shutdown()
	took := allocated(func() {
		conn, err := p.DialTimeout(p.addr, time.Second)
		if err != nil {
			fail("%v", err)
		}
		conn.Write(wire.PushPullHeader{Nodes: 1 << 20}.Append(nil))
		time.Sleep(500 * time.Millisecond)
	})
	if took > 30<<20 {
		return fmt.Sprintf("%d MB for a header", took>>20)
	}
	return ""
}

// compressedZeros is a packet that decompresses to a user message of so many
// megabytes.
func compressedZeros(megabytes int) []byte {
	plain := make([]byte, megabytes<<20)
	plain[0] = byte(wire.TypeUser)
	return wire.AppendCompressed(nil, plain)
}

func bomb() string {
	e := new(ether)
	p := e.newPort()
	m := create(config("a", p, nil))
	packet := compressedZeros(39)
	took := allocated(func() {
		p.inject(stranger, packet)
		p.inject(stranger, alive("marker", 1, "").Append(nil))
		if !soon(func() bool { return has(m, "marker") }) {
			fail("the marker is not believed in")
		}
	})
	if took > 20<<20 {
		return fmt.Sprintf("%d MB for a packet of %d KB", took>>20, len(packet)>>10)
	}
	return ""
}

var key = make([]byte, 16)

// sealed is plain as an encrypted message of a version that says it is another.
func sealed(version byte, plain, authenticated []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		fail("%v", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		fail("%v", err)
	}
	nonce := make([]byte, gcm.NonceSize())
	return gcm.Seal(append([]byte{version}, nonce...), nonce, plain, authenticated)
}

func encrypted(c *memberlist.Config) { c.SecretKey = key }

func encryptedNothing() string {
	e := new(ether)
	p := e.newPort()
	c := config("a", p, nil)
	encrypted(c)
	m := create(c)
	header := binary.BigEndian.AppendUint32([]byte{byte(wire.TypeEncrypt)}, uint32(1+12+16))
	conn, err := p.DialTimeout(p.addr, time.Second)
	if err != nil {
		fail("%v", err)
	}
	conn.Write(append(header, sealed(1, nil, header)...))
	time.Sleep(300 * time.Millisecond)
	m.NumMembers()
	return ""
}

func longPadding() string {
	e := new(ether)
	p := e.newPort()
	c := config("a", p, nil)
	encrypted(c)
	m := create(c)
	plain := make([]byte, 32)
	plain[0], plain[31] = byte(wire.TypeUser), 255
	p.inject(stranger, sealed(0, plain, nil))
	p.inject(stranger, sealed(1, alive("marker", 1, "").Append(nil), nil))
	if !soon(func() bool { return has(m, "marker") }) {
		fail("the marker is not believed in")
	}
	return ""
}

func reflection() string {
	const third = "198.18.7.7:7946"
	e := new(ether)
	p := e.newPort()
	m := create(config("a", p, nil))
	reflected := new(atomic.Int32)
	e.set(func() {
		e.wrote = func(_, to string, _ []byte) {
			if to == third {
				reflected.Add(1)
			}
		}
	})
	var pings [][]byte
	for i := range 255 {
		pings = append(pings, wire.Ping{SeqNo: uint32(i + 1), Node: []byte("a"), SourceAddr: net.ParseIP("198.18.7.7").To4(), SourcePort: portNumber, SourceNode: []byte("z")}.Append(nil))
	}
	p.inject(stranger, wire.AppendCompound(nil, pings))
	p.inject(stranger, alive("marker", 1, "").Append(nil))
	if !soon(func() bool { return has(m, "marker") }) {
		fail("the marker is not believed in")
	}
	if n := reflected.Load(); n > 4 {
		return fmt.Sprintf("%d packets to a third party for one", n)
	}
	return ""
}

func forgedNames() string {
	const names = 20000
	e := new(ether)
	p := e.newPort()
	c := config("a", p, nil)
	c.HandoffQueueDepth = 2 * names
	m := create(c)
	for i := range names {
		p.inject(stranger, alive(fmt.Sprint("x", i), 1, "").Append(nil))
	}
	within(3*time.Second, func() bool { return m.NumMembers() > names })
	if n := m.NumMembers(); n > names/2 {
		return fmt.Sprintf("%d members after %d forged names", n, names)
	}
	return ""
}

// junk is compressed nothing, ten packets of 31 KB a second.
func junk() string {
	e := new(ether)
	asks := func(c *memberlist.Config) { c.ProbeInterval, c.ProbeTimeout = time.Hour, 500*time.Millisecond }
	a, _, _, portB := pair(e, asks, nil)
	packet := compressedZeros(39)
	stop := time.After(4 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	go func() {
		for range tick.C {
			select {
			case portB.packets <- &memberlist.Packet{Buf: append([]byte(nil), packet...), From: &net.UDPAddr{IP: net.IPv4(198, 18, 9, 9), Port: portNumber}, Timestamp: time.Now()}:
			default:
			}
		}
	}()
	for asked, answered := 0, 0; ; {
		select {
		case <-stop:
			if answered < asked*3/4 {
				return fmt.Sprintf("%d of %d pings were answered", answered, asked)
			}
			return ""
		default:
			asked++
			if ping(a, portB, "b") == nil {
				answered++
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
}

func packetFromNobody() string {
	e := new(ether)
	p := e.newPort()
	m := create(config("a", p, nil))
	p.packets <- &memberlist.Packet{Buf: wire.Ping{SeqNo: 1, Node: []byte("a")}.Append(nil), Timestamp: time.Now()}
	p.inject(stranger, alive("marker", 1, "").Append(nil))
	if !soon(func() bool { return has(m, "marker") }) {
		fail("the marker is not believed in")
	}
	return ""
}

func httpRequests() string {
	const requests = 100
	e := new(ether)
	p := e.newPort()
	log := new(errorLines)
	c := config("a", p, nil)
	c.LogOutput = log
	m := create(c)
	defer m.Shutdown()
	for range requests {
		conn, err := p.DialTimeout(p.addr, time.Second)
		if err != nil {
			fail("%v", err)
		}
		conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"))
		conn.Close()
	}
	if !soon(func() bool { return log.n.Load() > 0 }) {
		fail("nothing is logged")
	}
	time.Sleep(500 * time.Millisecond)
	if n := log.n.Load(); n > requests/2 {
		return fmt.Sprintf("%d errors for %d requests", n, requests)
	}
	return ""
}

// errorLines counts the errors that are logged.
type errorLines struct{ n atomic.Int32 }

func (l *errorLines) Write(b []byte) (int, error) {
	l.n.Add(int32(bytes.Count(b, []byte("[ERR]"))))
	return len(b), nil
}
