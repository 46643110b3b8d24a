package memberlist

import (
	"hash/maphash"

	"github.com/swimguard/memberlist/internal/wire"
)

// nameIndex finds members by name. It is a hash table with linear probing that
// holds nothing but places in the list of members: 5 to 6 bytes for each name,
// and 4 in the member for the hash. A map from strings to pointers takes about
// 41. The zero value is ready.
//
// The seed is random, so that nobody can choose names that collide. Nothing that
// this node does depends on it.
type nameIndex struct {
	seed  maphash.Seed
	slots []uint32 // a place + 1, under some bits of its name's hash; 0: free
}

// The lower bits of a slot hold the place.
const (
	placeBits = 19
	placeMask = 1<<placeBits - 1
)

const _ = uint(placeMask - maxMembers) // there is room for each place

// find returns the member of that name, nil if there is none. all are the
// members indexed.
func (x *nameIndex) find(name []byte, all []*member) *member {
	if len(x.slots) == 0 {
		return nil
	}
	hash := x.hash(name)
	for at := x.home(hash); x.slots[at] != 0; at = x.next(at) {
		// The tags of other names differ, but for one in 8192.
		if slot := x.slots[at]; slot&^placeMask == tagOf(hash) {
			if m := all[slot&placeMask-1]; m.node.Name == string(name) {
				return m
			}
		}
	}
	return nil
}

// add indexes the last of all; the others are.
func (x *nameIndex) add(all []*member) {
	last := len(all) - 1
	if len(all) > len(x.slots)/5*4 { // fuller, it would take long to find that a name is not there
		x.rebuild(len(all)+len(all)/4+8, all[:last])
	}
	m := all[last]
	m.hash = x.hash(wire.Bytes(m.node.Name))
	x.put(m.hash, last)
}

// reserve makes room for n members together when there are far fewer.
func (x *nameIndex) reserve(n int, all []*member) {
	if n > len(x.slots) {
		x.rebuild(n, all)
	}
}

// rebuild indexes all members, whose hashes are known, with room for n together.
// It does not look at their names, which would take several times as long.
func (x *nameIndex) rebuild(n int, all []*member) {
	if x.slots == nil {
		x.seed = maphash.MakeSeed()
	}
	x.slots = make([]uint32, (n+3)/4*5)
	for place, m := range all {
		x.put(m.hash, place)
	}
}

func (x *nameIndex) put(hash uint32, place int) {
	at := x.home(hash)
	for x.slots[at] != 0 {
		at = x.next(at)
	}
	x.slots[at] = tagOf(hash) | uint32(place+1)
}

func (x *nameIndex) hash(name []byte) uint32 { return uint32(maphash.Bytes(x.seed, name)) }

// home is where the search for a name begins. The slots need not be a power of
// two.
func (x *nameIndex) home(hash uint32) int {
	return int(uint64(hash) * uint64(len(x.slots)) >> 32)
}

func (x *nameIndex) next(at int) int {
	if at++; at == len(x.slots) {
		return 0
	}
	return at
}

// tagOf is what of a hash is in a slot: those bits that say least about where
// it is.
func tagOf(hash uint32) uint32 { return hash << placeBits }
