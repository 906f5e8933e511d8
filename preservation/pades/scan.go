package pades

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"bestand/preservation/cades/cms"
)

const (
	maxSignatures = 32           // judged in one document
	maxCandidates = 1024         // occurrences of the key ByteRange looked at
	maxHoles      = 16 * maxHole // bytes read from all holes together
	maxHole       = 2*cms.MaxSize + 2
	chunk         = 256 << 10 // read at once while searching
	around        = 64 << 10  // searched on each side for the rest of a signature dictionary
)

// signature is a filled signature dictionary (ISO 32000-2, 12.8.1).
//
// It is found by its bytes and not through the cross-reference table: its
// Contents must lie in the open, at the place that ByteRange leaves out, and a
// broken table must hide no signature.
type signature struct {
	ranges   []int64
	dict     dict
	contents []byte // decoded, with its padding
	problem  string // why ByteRange does not fit; empty when it does
}

var (
	byteRangeKey = []byte("/ByteRange")
	contentsKey  = []byte("/Contents")
	objectStart  = regexp.MustCompile(`\d\s+\d+\s+obj`)
)

// scanner searches a PDF for signatures within bounds, so that a file made of
// nothing but look-alikes costs no more than its length.
type scanner struct {
	r          io.ReaderAt
	size       int64
	candidates int
	holes      int64
}

// signatures finds the filled signature dictionaries in the order of the file,
// at most limit of them; more says that the search ended early. The error is
// one of reading.
func signatures(ctx context.Context, r io.ReaderAt, size int64, limit int) (found []signature, more bool, err error) {
	sc := scanner{r: r, size: size}
	buf := make([]byte, chunk+len(byteRangeKey)-1)
	for off := int64(0); off < size; off += chunk {
		if err := ctx.Err(); err != nil {
			return found, false, err
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if err != nil && err != io.EOF {
			return found, false, fmt.Errorf("read PDF: %w", err)
		}
		for i := 0; ; i += len(byteRangeKey) {
			j := bytes.Index(buf[i:n], byteRangeKey)
			if j < 0 {
				break
			}
			i += j
			if sc.candidates++; sc.candidates > maxCandidates || sc.holes > maxHoles || len(found) == limit {
				return found, true, nil
			}
			s, err := sc.read(off + int64(i))
			if err != nil {
				return found, false, err
			}
			if s != nil {
				found = append(found, *s)
			}
		}
	}
	return found, false, nil
}

// read reads the dictionary around a key ByteRange; nil when it is none or not
// filled.
func (sc *scanner) read(at int64) (*signature, error) {
	head, err := readRange(sc.r, at+int64(len(byteRangeKey)), min(at+1024, sc.size))
	if err != nil {
		return nil, err
	}
	s := new(signature)
	var ok bool
	if s.ranges, ok = parseRanges(head); !ok {
		return nil, nil
	}
	from, to := s.hole(sc.size)
	if s.problem == "" {
		if s.contents, err = sc.readHole(from, to); err != nil {
			return nil, err
		}
		if s.contents == nil {
			s.problem = "the range left out is not the signature"
		}
	}
	if s.problem != "" {
		from, to = at, at
	}
	if s.dict, err = sc.dict(at, from, to); s.dict == nil {
		return nil, err // no dictionary, or ByteRange and hole belong to different ones
	}
	if s.problem != "" {
		s.contents = []byte(s.dict["Contents"])
	}
	if len(bytes.Trim(s.contents, "\x00")) == 0 {
		return nil, nil
	}
	return s, nil
}

// dict returns the dictionary around the key at and the hole, in whose place
// an empty string is read; nil when no dictionary has both.
func (sc *scanner) dict(at, from, to int64) (dict, error) {
	first, last := min(at, from), max(at, to)
	start := max(0, first-around)
	before, err := readRange(sc.r, start, from)
	if err != nil {
		return nil, err
	}
	after, err := readRange(sc.r, to, min(sc.size, last+around))
	if err != nil {
		return nil, err
	}
	text := before
	if from < to {
		text = append(text, "<>"...)
	}
	text = append(text, after...)
	starts := objectStart.FindAllIndex(before[:first-start], -1)
	for range min(len(starts), 8) { // from the last one, which may be part of a string
		i := starts[len(starts)-1][1]
		starts = starts[:len(starts)-1]
		d := parseDict(text[i:])
		_, own := d["ByteRange"]
		if _, has := d["Contents"]; own && has {
			return d, nil
		}
	}
	return nil, nil
}

// hole returns where ByteRange says that Contents lies, delimiters included,
// and notes a problem when it cannot be so.
func (s *signature) hole(size int64) (from, to int64) {
	r := s.ranges
	switch {
	case len(r) != 4:
		s.problem = fmt.Sprintf("ByteRange has %d numbers instead of 4", len(r))
	case r[0] != 0:
		s.problem = "ByteRange does not begin at the first byte"
	case r[1] <= 0 || r[2] <= r[1] || r[3] < 0 || r[2] > size || r[3] > size-r[2]:
		s.problem = "ByteRange does not lie within the file"
	case r[2]-r[1] > maxHole:
		s.problem = fmt.Sprintf("the signature has more than %d bytes", cms.MaxSize)
	default:
		return r[1], r[2]
	}
	return 0, 0
}

// readHole decodes the hexadecimal string from one '<' to one '>' that follows
// the key Contents; nil when the bytes are anything else.
func (sc *scanner) readHole(from, to int64) ([]byte, error) {
	lead := max(0, from-32)
	key, err := readRange(sc.r, lead, from)
	if err != nil || !bytes.HasSuffix(bytes.TrimRight(key, "\x00\t\n\f\r "), contentsKey) {
		return nil, err
	}
	sc.holes += to - from
	b, err := readRange(sc.r, from, to)
	if err != nil || len(b) < 2 || b[0] != '<' || b[len(b)-1] != '>' {
		return nil, err
	}
	digits := b[1:1]
	for _, c := range b[1 : len(b)-1] {
		switch {
		case isHex(c):
			digits = append(digits, c)
		case !isSpace(c):
			return nil, nil
		}
	}
	if len(digits)%2 == 1 {
		digits = append(digits, '0') // in the place of '>'
	}
	out := make([]byte, hex.DecodedLen(len(digits)))
	_, err = hex.Decode(out, digits)
	return out, err
}

// parseRanges reads an array of integers.
func parseRanges(b []byte) ([]int64, bool) {
	l := lexer{b: b}
	if t, _ := l.next(); t != arrayOpen {
		return nil, false
	}
	var all []int64
	for {
		switch t, v := l.next(); t {
		case arrayClose:
			return all, len(all) > 0
		case word:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return nil, false
			}
			all = append(all, n)
		default:
			return nil, false
		}
	}
}

func readRange(r io.ReaderAt, from, to int64) ([]byte, error) {
	if to <= from {
		return nil, nil
	}
	b := make([]byte, to-from)
	if n, err := r.ReadAt(b, from); n < len(b) {
		return nil, fmt.Errorf("read PDF: %w", err)
	}
	return b, nil
}
