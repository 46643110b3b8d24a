package wire

// Limits on what a remote may announce. Whoever reads checks them before
// allocating; whoever sends checks them to be understood.
const (
	MaxDecompressed = 40 << 20 // bytes of one decompressed message
	MaxNodeStates   = 1 << 20  // entries of one push/pull
	MaxUserState    = 20 << 20 // bytes of user state in one push/pull
	MaxUserMessage  = 20 << 20 // bytes of one user message on a stream
	MaxCiphertext   = 20 << 20 // bytes of one encrypted frame on a stream
)

// Costs of framing, in bytes, for whoever fills a packet.
const (
	UserHeaderLen     = 1         // a user message in a packet is its type byte and the payload
	ChecksumLen       = 1 + 4     // type byte, CRC-32
	LabelHeaderLen    = 1 + 1     // type byte, length; the label follows
	MaxLabelLen       = 255       // one length byte
	CompoundHeaderLen = 1 + 1     // type byte, number of parts
	CompoundPartLen   = 2         // length of each part
	MaxCompoundParts  = 255       // one count byte
	MaxPartLen        = 1<<16 - 1 // two length bytes
	maxSkipDepth      = 1022      // containers within containers under an unknown key
	maxNameLen        = 12        // len("UserStateLen"), the longest field name
	maxErrorKeyLen    = 32        // bytes of an unknown key quoted in an error
)
