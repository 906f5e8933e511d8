package ccitt

import (
	"bufio"
	"io"
)

// The modes of T.6, table 1, at index 3 + a1 - b1 for the vertical ones.
var (
	vertical = [7]code{word("0000010"), word("000010"), word("010"), word("1"), word("011"), word("000011"), word("0000011")}
	pass     = word("0001")
	horiz    = word("001")
	eol      = word("000000000001")
)

// Encoder writes rows in Group 4 (T.6).
type Encoder struct {
	w     *bufio.Writer
	width int
	acc   uint64
	have  uint
	ref   []int
	cur   []int
}

// NewEncoder writes rows of width pixels.
func NewEncoder(w io.Writer, width int) *Encoder {
	return &Encoder{w: bufio.NewWriter(w), width: width, ref: []int{width, width}}
}

// Row encodes one row, one bit a pixel, 1 for black.
func (e *Encoder) Row(p []byte) error {
	e.cur = changes(e.cur[:0], p, e.width)
	a0, i, j := 0, 0, 0 // i: next change of this row, j: of the one above
	for black := false; a0 < e.width; {
		a1, a2 := at(e.cur, i, e.width), at(e.cur, i+1, e.width)
		for j > 0 && e.ref[j-1] > a0 {
			j--
		}
		for j < len(e.ref) && (e.ref[j] <= a0 && (a0 > 0 || i > 0) || (j%2 == 1) != black) {
			j++
		}
		b1, b2 := at(e.ref, j, e.width), at(e.ref, j+1, e.width)
		switch {
		case b2 < a1:
			e.put(pass)
			a0 = b2
		case a1-b1 >= -3 && a1-b1 <= 3:
			e.put(vertical[3+a1-b1])
			a0, black = a1, !black
			i++
		default:
			e.put(horiz)
			e.run(a1-a0, black)
			e.run(a2-a1, !black)
			a0 = a2
			i += 2
		}
	}
	e.ref, e.cur = e.cur, e.ref
	_, err := e.w.Write(nil)
	return err
}

// Close writes the end-of-block code and what is left in the buffer.
func (e *Encoder) Close() error {
	e.put(eol)
	e.put(eol)
	if e.have > 0 {
		e.put(code{0, 8 - e.have%8})
	}
	return e.w.Flush()
}

func (e *Encoder) run(n int, black bool) {
	codes := whiteCodes
	if black {
		codes = blackCodes
	}
	for ; n > 2560; n -= 2560 {
		e.put(codes[len(codes)-1])
	}
	if n >= 64 {
		e.put(codes[63+n/64])
		n %= 64
	}
	e.put(codes[n])
}

func (e *Encoder) put(c code) {
	e.acc = e.acc<<c.n | uint64(c.bits)
	e.have += c.n
	for e.have >= 8 {
		e.have -= 8
		e.w.WriteByte(byte(e.acc >> e.have)) // the error stays and shows in Flush
	}
}

// at returns the i-th change, the end of the row when there is none.
func at(cs []int, i, width int) int {
	if i < len(cs) {
		return cs[i]
	}
	return width
}

// changes lists where the colour changes, beginning from white.
func changes(cs []int, p []byte, width int) []int {
	last := byte(0)
	for x := 0; x < width; {
		b := p[x/8]
		if x%8 == 0 && (b == 0 && last == 0 || b == 0xFF && last == 1) {
			x += 8
			continue
		}
		if v := b >> (7 - x%8) & 1; v != last {
			cs = append(cs, x)
			last = v
		}
		x++
	}
	return cs
}
