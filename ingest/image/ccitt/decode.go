// Package ccitt reads and writes the codings of black and white pages that
// scanners and fax machines use: ITU-T T.4 (Group 3, one- and two-dimensional),
// T.6 (Group 4), and the variants of TIFF 6.0 sections 10 and 11.
//
// The decoder exists because scans come in many strips, each coded for itself,
// while a PDF page wants one image; the encoder puts them together again
// without loss.
package ccitt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Coding says how the rows are coded.
type Coding struct {
	Group4  bool // T.6; otherwise T.4
	TwoDim  bool // Group 3 with two-dimensional rows (TIFF T4Options bit 0)
	Aligned bool // every row begins at a byte (TIFF compression 2)
	NoEOL   bool // no end-of-line codes (TIFF compression 2)
}

// ErrDamaged is wrapped by the errors about bits that make no sense.
var ErrDamaged = errors.New("damaged CCITT data")

// MaxWidth bounds the width of a row in pixels.
const MaxWidth = 1 << 20

// Decoder decodes rows.
type Decoder struct {
	c     Coding
	width int
	r     *bufio.Reader
	acc   uint64 // the next bits, left-aligned
	have  uint   // how many of them
	eof   bool
	ref   []int // changing elements of the row above, ended by width, width
	cur   []int
	row   int
}

// NewDecoder reads rows of width pixels. The bits of each byte come most
// significant first.
func NewDecoder(r io.Reader, c Coding, width int) (*Decoder, error) {
	if width <= 0 || width > MaxWidth {
		return nil, fmt.Errorf("width %d: %w", width, ErrDamaged)
	}
	return &Decoder{c: c, width: width, r: bufio.NewReader(r), ref: []int{width, width}}, nil
}

// Row decodes the next row into p, one bit a pixel, 1 for black; p has
// (width+7)/8 bytes. io.EOF means that the coded rows have ended.
func (d *Decoder) Row(p []byte) error {
	if d.c.Aligned {
		d.drop(d.have % 8)
	}
	twoDim := d.c.Group4
	if d.c.Group4 {
		if d.peek(24) == 0x001001 { // EOFB
			return io.EOF
		}
	} else if !d.c.NoEOL {
		eols := 0
		for d.skipEOL() {
			eols++
			if d.c.TwoDim {
				twoDim = d.peek(1) == 0
				d.drop(1)
			}
		}
		if eols >= 2 && d.row > 0 { // RTC
			return io.EOF
		}
		if eols == 0 && d.c.TwoDim {
			return d.damaged("no end-of-line code")
		}
	}
	if d.eof && d.have == 0 {
		return io.EOF
	}
	d.cur = d.cur[:0]
	var err error
	if twoDim {
		err = d.twoDim()
	} else {
		err = d.oneDim()
	}
	if err != nil {
		return err
	}
	d.cur = append(d.cur, d.width, d.width)
	paint(p, d.cur, d.width)
	d.ref, d.cur = d.cur, d.ref
	d.row++
	return nil
}

// oneDim reads runs of white and black in turn until the row is full.
func (d *Decoder) oneDim() error {
	for x, black := 0, false; x < d.width; black = !black {
		n, err := d.run(black)
		if err != nil {
			return err
		}
		if x += n; x > d.width {
			return d.damaged("run beyond the row")
		}
		d.cur = append(d.cur, x)
	}
	return nil
}

// twoDim reads the modes of T.4 4.2.1.3: the changes of colour in relation to
// those of the row above.
func (d *Decoder) twoDim() error {
	a0, black, next := 0, false, 0
	for a0 < d.width {
		// b1: the first change above, right of a0 and to the opposite colour.
		for next > 0 && d.ref[next-1] > a0 {
			next--
		}
		for next < len(d.ref)-2 && (d.ref[next] <= a0 && (a0 > 0 || len(d.cur) > 0) || (next%2 == 1) != black) {
			next++
		}
		b1, b2 := d.width, d.width
		if next < len(d.ref) {
			b1 = d.ref[next]
		}
		if next+1 < len(d.ref) {
			b2 = d.ref[next+1]
		}
		v := d.peek(7)
		var a1 int
		switch {
		case v>>6 == 1: // V0
			d.drop(1)
			a1 = b1
		case v>>4 == 0b011:
			d.drop(3)
			a1 = b1 + 1
		case v>>4 == 0b010:
			d.drop(3)
			a1 = b1 - 1
		case v>>4 == 0b001: // horizontal
			d.drop(3)
			n, err := d.run(black)
			if err != nil {
				return err
			}
			m, err := d.run(!black)
			if err != nil {
				return err
			}
			if a0+n+m > d.width {
				return d.damaged("run beyond the row")
			}
			d.cur = append(d.cur, a0+n, a0+n+m)
			a0 += n + m
			continue
		case v>>3 == 0b0001: // pass
			d.drop(4)
			a0 = b2
			if a0 == d.width { // the row ends in the colour at hand
				d.cur = append(d.cur, a0)
			}
			continue
		case v>>1 == 0b000011:
			d.drop(6)
			a1 = b1 + 2
		case v>>1 == 0b000010:
			d.drop(6)
			a1 = b1 - 2
		case v == 0b0000011:
			d.drop(7)
			a1 = b1 + 3
		case v == 0b0000010:
			d.drop(7)
			a1 = b1 - 3
		default:
			return d.damaged("unknown mode")
		}
		if a1 < a0 || a1 > d.width {
			return d.damaged("change outside of the row")
		}
		d.cur = append(d.cur, a1)
		a0, black = a1, !black
	}
	return nil
}

// run reads make-up codes and the terminating code of one run.
func (d *Decoder) run(black bool) (int, error) {
	hits := whiteHits
	if black {
		hits = blackHits
	}
	for n := 0; ; {
		h := hits[d.peek(maxCode)]
		if h.n == 0 || uint(h.n) > d.have {
			return 0, d.damaged("unknown code")
		}
		d.drop(uint(h.n))
		if n += int(h.run); n > d.width {
			return 0, d.damaged("run beyond the row")
		}
		if h.run < 64 {
			return n, nil
		}
	}
}

// skipEOL takes one end-of-line code, eleven or more zeros and a one, if it is next.
func (d *Decoder) skipEOL() bool {
	if d.peek(11) != 0 || d.have < 12 {
		return false
	}
	for d.peek(1) == 0 {
		if d.have == 0 {
			return false
		}
		d.drop(1)
	}
	d.drop(1)
	return true
}

func (d *Decoder) damaged(what string) error {
	if d.eof && d.have < maxCode {
		return fmt.Errorf("row %d: %w: it ends too early", d.row, ErrDamaged)
	}
	return fmt.Errorf("row %d: %w: %s", d.row, ErrDamaged, what)
}

// peek returns the next n bits, at most 24; zeros follow the end.
func (d *Decoder) peek(n uint) uint32 {
	for d.have <= 56 && !d.eof {
		b, err := d.r.ReadByte()
		if err != nil {
			d.eof = true
			break
		}
		d.acc |= uint64(b) << (56 - d.have)
		d.have += 8
	}
	return uint32(d.acc >> (64 - n))
}

func (d *Decoder) drop(n uint) {
	n = min(n, d.have)
	d.acc <<= n
	d.have -= n
}

// paint sets the black pixels of a row from its changes of colour.
func paint(p []byte, changes []int, width int) {
	clear(p)
	for i := 0; i+1 < len(changes); i += 2 {
		for x := changes[i]; x < changes[i+1]; {
			if x%8 == 0 && changes[i+1]-x >= 8 {
				p[x/8] = 0xFF
				x += 8
				continue
			}
			p[x/8] |= 0x80 >> (x % 8)
			x++
		}
	}
}
