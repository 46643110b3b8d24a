package wire

import "fmt"

// AppendLabel appends the label header that goes in front of everything else
// of a packet or stream. The empty label has no header. A label longer than
// MaxLabelLen is an error, and dst is then returned as it was.
func AppendLabel(dst []byte, label string) ([]byte, error) {
	if label == "" {
		return dst, nil
	}
	if len(label) > MaxLabelLen {
		return dst, fmt.Errorf("label %q is too long", label)
	}
	dst = append(dst, byte(TypeLabel), byte(len(label)))
	return append(dst, label...), nil
}

// CutLabel splits a packet into its label and the rest; both borrow from b.
// Without a header the label is empty and the rest is b itself. The error is
// ErrLabelTruncated or ErrLabelEmpty. A second header behind the first is not
// looked for: it is part of the rest, and no valid message.
func CutLabel(b []byte) (label, rest []byte, err error) {
	if len(b) == 0 || Type(b[0]) != TypeLabel {
		return nil, b, nil
	}
	if len(b) < LabelHeaderLen {
		return nil, nil, ErrLabelTruncated
	}
	n := int(b[1])
	if n == 0 {
		return nil, nil, ErrLabelEmpty
	}
	if len(b) < LabelHeaderLen+n {
		return nil, nil, ErrLabelTruncated
	}
	b = b[LabelHeaderLen:]
	return b[:n:n], b[n:], nil
}
