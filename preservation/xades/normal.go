package xades

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// normal reads XML as a parser has to see it: lines end in a line feed (XML 1.0,
// 2.11), and white space in the value of an attribute is a space (3.3.3), unless it
// was written as a reference. encoding/xml does the first for text only and the
// second not at all. It is for encodings that agree with ASCII, and makes UTF-8 of UTF-16.
type normal struct {
	ctx   context.Context
	r     *bufio.Reader
	utf16 bool
	left  int // bytes
	state state
	quote byte
	last  [9]byte // what was read last, the newest at the end
	err   error   // of reading or of the limits; nil at the end
}

type state uint8

const (
	inText state = iota
	inOpen       // behind "<"
	inBang       // behind "<!"
	inTag
	inValue
	inComment
	inCDATA
	inInstruction
)

func newNormal(ctx context.Context, r io.Reader) (*normal, error) {
	n := &normal{ctx: ctx, r: bufio.NewReaderSize(r, 64<<10), left: MaxSize}
	mark, err := n.r.Peek(3)
	if err != nil && err != io.EOF {
		return nil, err
	}
	order := unicode.LittleEndian
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		_, err := n.r.Discard(3)
		return n, err
	case bytes.HasPrefix(mark, []byte("\xfe\xff")), bytes.HasPrefix(mark, []byte("\x00<")):
		order = unicode.BigEndian
	case !bytes.HasPrefix(mark, []byte("\xff\xfe")) && !bytes.HasPrefix(mark, []byte("<\x00")):
		return n, nil
	}
	n.utf16 = true
	n.r = bufio.NewReaderSize(unicode.UTF16(order, unicode.UseBOM).NewDecoder().Reader(n.r), 64<<10)
	return n, nil
}

func (n *normal) Read(p []byte) (int, error) {
	if n.err == nil {
		n.err = n.ctx.Err()
	}
	if n.err != nil {
		return 0, n.err
	}
	for i := range p {
		b, err := n.next()
		if err != nil && err != io.EOF {
			n.err = err
		}
		if err != nil {
			return i, err
		}
		p[i] = b
	}
	return len(p), nil
}

// next returns the next byte of the normalised document.
func (n *normal) next() (byte, error) {
	b, err := n.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if n.left--; n.left < 0 {
		return 0, unsupported(fmt.Sprintf("more than %d bytes", MaxSize))
	}
	if b == '\r' {
		b = '\n'
		if after, _ := n.r.Peek(1); len(after) == 1 && after[0] == '\n' {
			n.r.ReadByte() // it was peeked
		}
	}
	copy(n.last[:], n.last[1:])
	n.last[len(n.last)-1] = b
	if n.state == inValue && (b == '\n' || b == '\t') {
		return ' ', nil
	}
	n.step(b)
	return b, nil
}

func (n *normal) step(b byte) {
	switch n.state {
	case inText:
		if b == '<' {
			n.state = inOpen
		}
	case inOpen:
		switch b {
		case '!':
			n.state = inBang
		case '?':
			n.state = inInstruction
		default:
			n.state = inTag
		}
	case inBang:
		switch {
		case n.ends("<!--"):
			n.state, n.last = inComment, [9]byte{} // the end needs hyphens of its own
		case n.ends("<![CDATA["):
			n.state, n.last = inCDATA, [9]byte{}
		case b == '>':
			n.state = inText
		}
	case inTag:
		switch b {
		case '>':
			n.state = inText
		case '"', '\'':
			n.state, n.quote = inValue, b
		}
	case inValue:
		if b == n.quote {
			n.state = inTag
		}
	case inComment:
		n.leave("-->")
	case inCDATA:
		n.leave("]]>")
	case inInstruction:
		n.leave("?>")
	}
}

func (n *normal) ends(with string) bool { return bytes.HasSuffix(n.last[:], []byte(with)) }

func (n *normal) leave(with string) {
	if n.ends(with) {
		n.state = inText
	}
}
