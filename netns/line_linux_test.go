package netns

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// netem is whether the kernel can make lines bad.
var netem bool

// quality is how bad a line is, the same in both directions. Each packet of a
// conversation crosses two lines.
type quality struct {
	loss, reorder, duplicate int           // percent of frames
	delay, jitter            time.Duration // delay ± up to jitter; what is reordered does not wait at all
}

// netem is the same in the words of tc.
func (q quality) netem() string {
	s := "netem"
	if q.delay > 0 {
		s += fmt.Sprintf(" delay %dms %dms", q.delay.Milliseconds(), q.jitter.Milliseconds())
	}
	if q.loss > 0 {
		s += fmt.Sprintf(" loss %d%%", q.loss)
	}
	if q.duplicate > 0 {
		s += fmt.Sprintf(" duplicate %d%%", q.duplicate)
	}
	if q.reorder > 0 {
		s += fmt.Sprintf(" reorder %d%%", q.reorder)
	}
	return s
}

// impair makes the host's cable a bad line.
func (h *host) impair(q quality) {
	h.net.t.Helper()
	if netem {
		h.run("tc qdisc replace dev eth0 root " + q.netem())
		h.net.must(h.net.hub, "tc qdisc replace dev "+h.port+" root "+q.netem())
		return
	}
	// Cut the cable before the bridge and sit in between:
	// eth0 - port - this process - cutN - endN - bridge.
	cut, end := fmt.Sprint("cut", h.number), fmt.Sprint("end", h.number)
	h.net.must(h.net.hub, "ip link set "+h.port+" nomaster")
	h.net.must(h.net.hub, "ip link add "+cut+" type veth peer name "+end)
	h.net.must(h.net.hub, "ip link set "+end+" master br0 up")
	h.net.must(h.net.hub, "ip link set "+cut+" up")
	near, far := h.net.tap(h.port), h.net.tap(cut)
	h.port = end
	go q.carry(near, far)
	go q.carry(far, near)
}

// tap opens an interface of the hub for whole frames.
func (nw *network) tap(name string) (f *os.File) {
	nw.t.Helper()
	err := nw.hub.do(func() error {
		index, err := interfaceIndex(name)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		// With frames comes what the kernel has put off doing to them,
		// checksums and cutting into segments, and goes on with them.
		for _, option := range []int{unix.PACKET_VNET_HDR, unix.PACKET_IGNORE_OUTGOING} {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
				unix.Close(fd)
				return os.NewSyscallError("setsockopt", err)
			}
		}
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) // or the default size
		all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8        // in network order
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
			unix.Close(fd)
			return os.NewSyscallError("bind", err)
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	if err != nil {
		nw.t.Fatalf("%s: %v", name, err)
	}
	nw.t.Cleanup(func() { f.Close() })
	return f
}

// interfaceIndex is that of an interface in the namespace of this thread.
func interfaceIndex(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, os.NewSyscallError("ioctl", err)
	}
	return int(request.Uint32()), nil
}

// carry moves frames from one end to the other until an end is closed.
func (q quality) carry(from, to *os.File) {
	buf := make([]byte, 10+65536+64) // virtio_net_hdr, the longest frame that waits to be cut up, its header
	for {
		n, err := from.Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil: // the interface is down for the moment
			time.Sleep(time.Millisecond)
			continue
		}
		copies := 1
		if chance(q.duplicate) {
			copies = 2
		}
		if chance(q.loss) {
			copies--
		}
		for range copies {
			frame := append([]byte(nil), buf[:n]...)
			delay := q.delay
			if q.jitter > 0 {
				delay += rand.N(2*q.jitter) - q.jitter
			}
			if delay <= 0 || chance(q.reorder) {
				to.Write(frame) // what cannot be sent is lost
				continue
			}
			time.AfterFunc(delay, func() { to.Write(frame) })
		}
	}
}

func chance(percent int) bool { return rand.IntN(100) < percent }
