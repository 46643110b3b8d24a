package memberlist

import (
	"errors"
	"time"
)

const (
	// inflationFree is how many bytes one packet may decompress to whatever
	// others have: members compress packets of at most UDPBufferSize, so this
	// or their size, up to inflationFreeMax. It takes 20 µs or so.
	inflationFree    = 4 << 10
	inflationFreeMax = 64 << 10

	// inflationRate is how many bytes a second may come out of packets beyond
	// that, which takes a tenth of a processor with LZW. A packet of 1400
	// bytes can ask for a thousand times its length.
	inflationRate = 16 << 20
)

var errInflation = errors.New("too much to decompress at the moment")

// inflation is a budget for decompressing. The rest of a second's is kept. The
// zero value is a full one.
type inflation struct {
	used int // of inflationRate, as of at
	at   time.Time
}

// left returns how many bytes there are.
func (b *inflation) left(now time.Time) int {
	if passed := now.Sub(b.at); passed >= time.Second {
		b.used, b.at = 0, now
	} else if regained := int(passed * inflationRate / time.Second); regained > 0 {
		b.used, b.at = max(0, b.used-regained), now
	}
	return max(0, inflationRate-b.used)
}

func (b *inflation) spend(bytes int) { b.used += bytes }

// freeInflation is what every packet may decompress to.
func (c *Config) freeInflation() int {
	return min(max(inflationFree, c.udpBufferSize()), inflationFreeMax)
}
