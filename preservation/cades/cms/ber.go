package cms

import (
	"fmt"
)

// element is the outline of one BER element.
type element struct {
	tag         []byte // identifier octets
	body        []byte // contents octets, without the end-of-contents of an indefinite length
	rest        []byte // what follows the element
	constructed bool
	indefinite  bool
	minimal     bool // the length is written as DER asks
}

// DER re-encodes the first BER element of b with definite, minimal lengths and
// primitive octet strings, and returns what follows it. An element that is
// written so already is returned as it stands. Sets keep their order, because
// signatures were made over it.
func DER(b []byte) (der, rest []byte, err error) {
	e, err := readElement(b, 0)
	if err != nil {
		return nil, nil, err
	}
	whole := b[:len(b)-len(e.rest)]
	ok, err := canonical(whole, 0)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		return whole, e.rest, nil
	}
	der, err = appendDER(make([]byte, 0, len(whole)), e, 0)
	return der, e.rest, err
}

// canonical reports whether a sequence of elements needs no re-encoding.
func canonical(b []byte, depth int) (bool, error) {
	for len(b) > 0 {
		e, err := readElement(b, depth)
		if err != nil {
			return false, err
		}
		if e.indefinite || !e.minimal || e.tag[0] == 0x24 {
			return false, nil
		}
		if e.constructed {
			ok, err := canonical(e.body, depth+1)
			if !ok || err != nil {
				return false, err
			}
		}
		b = e.rest
	}
	return true, nil
}

func appendDER(dst []byte, e element, depth int) ([]byte, error) {
	if !e.constructed {
		return append(appendHeader(dst, e.tag, len(e.body)), e.body...), nil
	}
	octets := e.tag[0] == 0x24 // OCTET STRING in pieces
	var body []byte
	for b := e.body; len(b) > 0; {
		child, err := readElement(b, depth+1)
		if err != nil {
			return nil, err
		}
		enc, err := appendDER(nil, child, depth+1)
		if err != nil {
			return nil, err
		}
		if octets {
			piece, err := readElement(enc, depth+1)
			if err != nil {
				return nil, err
			}
			enc = piece.body
		}
		body = append(body, enc...)
		b = child.rest
	}
	tag := e.tag
	if octets {
		tag = []byte{0x04}
	}
	return append(appendHeader(dst, tag, len(body)), body...), nil
}

func appendHeader(dst, tag []byte, n int) []byte {
	dst = append(dst, tag...)
	if n < 0x80 {
		return append(dst, byte(n))
	}
	var size []byte
	for ; n > 0; n >>= 8 {
		size = append([]byte{byte(n)}, size...)
	}
	return append(append(dst, 0x80|byte(len(size))), size...)
}

func readElement(b []byte, depth int) (element, error) {
	bad := func(what string) (element, error) {
		return element{}, fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	if depth > maxDepth {
		return bad("nested too deeply")
	}
	if len(b) < 2 {
		return bad("truncated")
	}
	n := 1
	if b[0]&0x1f == 0x1f { // high tag number
		for n < len(b) && b[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if n >= len(b) || n > 6 {
		return bad("tag")
	}
	e := element{tag: b[:n], constructed: b[0]&0x20 != 0, minimal: true}
	first := b[n]
	b = b[n+1:]
	switch {
	case first < 0x80:
		if int(first) > len(b) {
			return bad("truncated")
		}
		e.body, e.rest = b[:first], b[first:]
		return e, nil
	case first == 0x80:
		if !e.constructed {
			return bad("primitive of indefinite length")
		}
		e.indefinite = true
		rest := b
		for {
			if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
				e.body, e.rest = b[:len(b)-len(rest)], rest[2:]
				return e, nil
			}
			child, err := readElement(rest, depth+1)
			if err != nil {
				return element{}, err
			}
			rest = child.rest
		}
	}
	k := int(first & 0x7f)
	if k > 4 || k > len(b) {
		return bad("length")
	}
	var size uint64
	for _, c := range b[:k] {
		size = size<<8 | uint64(c)
	}
	e.minimal = b[0] != 0 && size >= 0x80
	b = b[k:]
	if size > uint64(len(b)) {
		return bad("truncated")
	}
	e.body, e.rest = b[:size], b[size:]
	return e, nil
}
