package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// PutChecksum fills the first ChecksumLen bytes of b, which the caller left
// free, with the checksum of what follows them. b must be at least that long.
func PutChecksum(b []byte) {
	_ = b[ChecksumLen-1]
	b[0] = byte(TypeChecksum)
	binary.BigEndian.PutUint32(b[1:], crc32.ChecksumIEEE(b[ChecksumLen:]))
}

// CutChecksum verifies and removes the checksum in front of a packet. The
// payload, which may be empty, borrows from b. A packet without one is
// returned as it is: nobody is obliged to send it. So is one that begins with
// the type byte but is too short for a checksum; nothing accepts it later.
// The error is a *ChecksumError.
func CutChecksum(b []byte) (payload []byte, err error) {
	if len(b) < ChecksumLen || Type(b[0]) != TypeChecksum {
		return b, nil
	}
	payload = b[ChecksumLen:]
	announced := binary.BigEndian.Uint32(b[1:])
	if computed := crc32.ChecksumIEEE(payload); computed != announced {
		return nil, &ChecksumError{Computed: computed, Announced: announced}
	}
	return payload, nil
}
