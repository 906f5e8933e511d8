package pades

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxRead      = 64 << 20 // bytes read of one file through its cross-reference
	maxValue     = 8 << 20  // bytes of one object, as MaxDraft
	maxRevisions = 64       // followed back
	firstRead    = 16 << 10 // of an object at once
)

var errStructure = errors.New("the document's structure cannot be read")

// file reads what a document keeps beside its pages: the catalog and the store of
// validation data, of anybody's documents. It reads no more than it is asked for
// and that within bounds, whatever the document says, and mends nothing: what is
// broken is an errStructure.
type file struct {
	r        io.ReaderAt
	size     int64
	left     int64 // bytes that may still be read
	newest   revision
	sections []section // of the cross-references, the newest first
}

// section is a part of a cross-reference.
type section struct {
	first, count int64
	at           int64  // of a table: where its rows begin
	rows         []byte // of a stream
	width        [3]int
}

// readFile finds the cross-references of a document.
func readFile(r io.ReaderAt, size int64) (*file, error) {
	f := &file{r: r, size: size, left: maxRead}
	tail, err := f.read(max(0, size-1024), size)
	if err != nil {
		return nil, err
	}
	const key = "startxref"
	i := bytes.LastIndex(tail, []byte(key))
	if i < 0 {
		return nil, fmt.Errorf("%w: no %s", errStructure, key)
	}
	l := lexer{b: tail, i: i + len(key)}
	_, at := l.next()
	f.newest = revision{size: size, xref: number(at)}
	seen := map[int64]bool{}
	for at := f.newest.xref; at >= 0; {
		if seen[at] || len(seen) == maxRevisions {
			return nil, fmt.Errorf("%w: too many revisions", errStructure)
		}
		first := len(seen) == 0
		seen[at] = true
		trailer, stream, err := f.crossReference(at)
		if err != nil {
			return nil, err
		}
		if first {
			if err := f.begin(trailer, stream); err != nil {
				return nil, err
			}
		}
		at = number(lookup(trailer, "Prev"))
	}
	return f, nil
}

// begin takes over what the newest trailer says.
func (f *file) begin(trailer []entry, stream bool) error {
	root, ok := parseRef(lookup(trailer, "Root"))
	next := number(lookup(trailer, "Size"))
	if !ok || next < 1 || next > maxObject-8 || lookup(trailer, "Encrypt") != "" || lookup(trailer, "XRefStm") != "" {
		return fmt.Errorf("%w: trailer", errStructure)
	}
	f.newest.stream, f.newest.next, f.newest.root = stream, uint32(next), root
	for _, k := range []string{"Info", "ID"} {
		if v := lookup(trailer, k); v != "" {
			f.newest.trailer = append(f.newest.trailer, entry{k, v})
		}
	}
	return nil
}

// crossReference reads the table or stream at a place.
func (f *file) crossReference(at int64) (trailer []entry, stream bool, err error) {
	bad := fmt.Errorf("%w: cross-reference at %d", errStructure, at)
	head, err := f.read(at, at+64)
	if err != nil {
		return nil, false, err
	}
	l := lexer{b: head}
	if _, v := l.next(); v != "xref" {
		trailer, err = f.crossStream(at)
		return trailer, true, err
	}
	for at += int64(l.i); ; {
		head, err := f.read(at, at+64)
		if err != nil {
			return nil, false, err
		}
		l := lexer{b: head}
		_, a := l.next()
		if a == "trailer" {
			raw, _, err := f.valueAt(at + int64(l.i))
			entries, ok := parseEntries(raw)
			if err == nil && !ok {
				err = bad
			}
			return entries, false, err
		}
		_, b := l.next()
		s := section{first: number(a), count: number(b)}
		for l.i < len(head) && isSpace(head[l.i]) {
			l.i++
		}
		s.at = at + int64(l.i)
		if s.first < 0 || s.count < 0 || s.count > maxObject || s.at+20*s.count > f.size || len(f.sections) > maxObject/100 {
			return nil, false, bad
		}
		f.sections = append(f.sections, s)
		at = s.at + 20*s.count
	}
}

// crossStream reads a cross-reference stream (ISO 32000-2, 7.5.8).
func (f *file) crossStream(at int64) ([]entry, error) {
	bad := fmt.Errorf("%w: cross-reference at %d", errStructure, at)
	raw, behind, err := f.objectAt(at, 0)
	if err != nil {
		return nil, err
	}
	entries, ok := parseEntries(raw)
	if !ok || lookup(entries, "Type") != "/XRef" {
		return nil, bad
	}
	rows, err := f.decode(entries, behind)
	if err != nil {
		return nil, err
	}
	var s section
	widths, ok := parseArray(lookup(entries, "W"))
	if !ok || len(widths) != 3 {
		return nil, bad
	}
	for i, w := range widths {
		if s.width[i] = int(number(w)); s.width[i] < 0 || s.width[i] > 8 {
			return nil, bad
		}
	}
	row := s.width[0] + s.width[1] + s.width[2]
	index, ok := parseArray(lookup(entries, "Index"))
	if !ok {
		index = []string{"0", lookup(entries, "Size")}
	}
	if row == 0 || len(index)%2 != 0 {
		return nil, bad
	}
	for i := 0; i < len(index); i += 2 {
		s.first, s.count = number(index[i]), number(index[i+1])
		if s.first < 0 || s.count < 0 || s.count > int64(len(rows)/row) {
			return nil, bad
		}
		n := int(s.count) * row
		s.rows, rows = rows[:n], rows[n:]
		f.sections = append(f.sections, s)
	}
	return entries, nil
}

// place says where an object lies: at an offset, or as one of those in a stream.
type place struct {
	kind      int64 // 1: in the open; 2: in an object stream
	at, index int64 // offset and generation; number of the stream and index in it
}

// find returns the place of an object in the newest revision that has it.
func (f *file) find(n uint32) (p place, err error) {
	for _, s := range f.sections {
		i := int64(n) - s.first
		if i < 0 || i >= s.count {
			continue
		}
		if s.rows == nil {
			row, err := f.read(s.at+20*i, s.at+20*i+20)
			if err != nil {
				return p, err
			}
			l := lexer{b: row}
			_, at := l.next()
			_, generation := l.next()
			if _, kind := l.next(); kind == "n" {
				return place{1, number(at), number(generation)}, nil
			}
			break
		}
		row := s.rows[int(i)*(s.width[0]+s.width[1]+s.width[2]):]
		field := func(w int) (v int64) {
			for _, c := range row[:w] {
				v = v<<8 | int64(c)
			}
			row = row[w:]
			return v
		}
		p := place{kind: 1}
		if s.width[0] > 0 {
			p.kind = field(s.width[0])
		}
		p.at, p.index = field(s.width[1]), field(s.width[2])
		if p.kind == 1 || p.kind == 2 {
			return p, nil
		}
		break
	}
	return p, fmt.Errorf("%w: no object %d", errStructure, n)
}

// object returns the value of an object and the place behind it, which is 0 when
// it lies in an object stream.
func (f *file) object(n uint32) (raw string, behind int64, err error) {
	p, err := f.find(n)
	if err != nil {
		return "", 0, err
	}
	if p.kind == 1 {
		return f.objectAt(p.at, n)
	}
	raw, err = f.packed(uint32(p.at), n)
	return raw, 0, err
}

// packed returns an object out of an object stream (ISO 32000-2, 7.5.7).
func (f *file) packed(stream, n uint32) (string, error) {
	bad := fmt.Errorf("%w: object %d in stream %d", errStructure, n, stream)
	p, err := f.find(stream)
	if err != nil || p.kind != 1 {
		return "", errors.Join(bad, err)
	}
	raw, behind, err := f.objectAt(p.at, stream)
	if err != nil {
		return "", err
	}
	entries, _ := parseEntries(raw)
	data, err := f.decode(entries, behind)
	if err != nil {
		return "", err
	}
	first := number(lookup(entries, "First"))
	head := lexer{b: data[:max(0, min(first, int64(len(data))))]}
	for {
		t, id := head.next()
		_, offset := head.next()
		if t == end {
			return "", bad
		}
		if number(id) == int64(n) {
			at := first + number(offset)
			if number(offset) < 0 || at > int64(len(data)) {
				return "", bad
			}
			body := lexer{b: data[at:]}
			if v, ok := body.value(); ok {
				return v, nil
			}
			return "", bad
		}
	}
}

// objectAt reads the object at a place, which must have the number n unless that is 0.
func (f *file) objectAt(at int64, n uint32) (raw string, behind int64, err error) {
	head, err := f.read(at, at+64)
	if err != nil {
		return "", 0, err
	}
	l := lexer{b: head}
	_, a := l.next()
	l.next()
	if _, v := l.next(); v != "obj" || n != 0 && number(a) != int64(n) {
		return "", 0, fmt.Errorf("%w: no object %d at %d", errStructure, n, at)
	}
	return f.valueAt(at + int64(l.i))
}

// valueAt reads the value at a place.
func (f *file) valueAt(at int64) (raw string, behind int64, err error) {
	for n := int64(firstRead); ; n *= 8 {
		b, err := f.read(at, at+n)
		if err != nil {
			return "", 0, err
		}
		l := lexer{b: b}
		raw, ok := l.value()
		if ok && (l.i+len("0000000000 00000 R") < len(b) || at+int64(len(b)) == f.size) { // else it may go on
			return raw, at + int64(l.i), nil
		}
		if n > maxValue || at+n >= f.size {
			return "", 0, fmt.Errorf("%w: value at %d", errStructure, at)
		}
	}
}

// resolve returns a value, or that of the object which it names.
func (f *file) resolve(raw string) (string, error) {
	if r, ok := parseRef(raw); ok {
		v, _, err := f.object(r.number)
		return v, err
	}
	return raw, nil
}

// stream returns the decoded data of the stream that a reference names.
func (f *file) stream(raw string) ([]byte, error) {
	r, ok := parseRef(raw)
	if !ok {
		return nil, fmt.Errorf("%w: no reference to a stream", errStructure)
	}
	v, behind, err := f.object(r.number)
	if err != nil {
		return nil, err
	}
	entries, ok := parseEntries(v)
	if !ok || behind == 0 {
		return nil, fmt.Errorf("%w: object %d is no stream", errStructure, r.number)
	}
	return f.decode(entries, behind)
}

// decode returns the data of the stream that stands behind its dictionary.
func (f *file) decode(entries []entry, behind int64) ([]byte, error) {
	head, err := f.read(behind, behind+64)
	if err != nil {
		return nil, err
	}
	length, err := f.length(lookup(entries, "Length"))
	if err != nil {
		return nil, err
	}
	l := lexer{b: head}
	if _, v := l.next(); v != "stream" {
		return nil, fmt.Errorf("%w: no stream at %d", errStructure, behind)
	}
	at := behind + int64(l.i)
	if rest := head[l.i:]; bytes.HasPrefix(rest, []byte("\r\n")) {
		at += 2
	} else {
		at++
	}
	data, err := f.read(at, at+length)
	if err != nil {
		return nil, err
	}
	switch filter := strings.Trim(lookup(entries, "Filter"), "[] "); filter {
	case "":
		return data, nil
	case "/FlateDecode":
		return f.inflate(data, lookup(entries, "DecodeParms"))
	default:
		return nil, fmt.Errorf("%w: filter %s", errStructure, clip(filter))
	}
}

// length returns the length of a stream, which may be named by an object in the open.
func (f *file) length(raw string) (n int64, err error) {
	if r, ok := parseRef(raw); ok {
		p, err := f.find(r.number)
		if err == nil && p.kind == 1 {
			raw, _, err = f.objectAt(p.at, r.number)
		}
		if err != nil {
			return 0, err
		}
	}
	if n = number(raw); n < 0 || n > maxValue {
		return 0, fmt.Errorf("%w: stream of %s bytes", errStructure, clip(raw))
	}
	return n, nil
}

// inflate undoes FlateDecode, and the predictors of PNG (7.4.4.4).
func (f *file) inflate(data []byte, parameters string) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStructure, err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxValue+1))
	if f.left -= int64(len(out)); err != nil || len(out) > maxValue || f.left < 0 {
		return nil, fmt.Errorf("%w: stream: %v", errStructure, err)
	}
	p, _ := parseEntries(strings.Trim(parameters, "[] "))
	if number(lookup(p, "Predictor")) < 2 {
		return out, nil
	}
	columns := max(1, number(lookup(p, "Columns")))
	if number(lookup(p, "Predictor")) < 10 || columns > maxValue || number(lookup(p, "Colors")) > 1 {
		return nil, fmt.Errorf("%w: predictor", errStructure)
	}
	return unpredict(out, int(columns))
}

// unpredict undoes the filters none, sub and up of rows of bytes (PNG, 9.2), of
// which cross-references are made.
func unpredict(data []byte, columns int) ([]byte, error) {
	out := make([]byte, 0, len(data))
	before := make([]byte, columns)
	for len(data) > columns {
		row := data[1 : columns+1]
		for i := range row {
			switch {
			case data[0] == 0, data[0] == 1 && i == 0:
			case data[0] == 1:
				row[i] += row[i-1]
			case data[0] == 2:
				row[i] += before[i]
			default:
				return nil, fmt.Errorf("%w: row filter %d", errStructure, data[0])
			}
		}
		out = append(out, row...)
		before, data = row, data[columns+1:]
	}
	return out, nil
}

// read returns the bytes of a part of the file, as far as that has them.
func (f *file) read(from, to int64) ([]byte, error) {
	to = min(to, f.size)
	if from < 0 || from >= to {
		return nil, fmt.Errorf("%w: nothing at %d", errStructure, from)
	}
	if f.left -= to - from; f.left < 0 {
		return nil, fmt.Errorf("%w: more than %d bytes to be read", errStructure, int64(maxRead))
	}
	return readRange(f.r, from, to)
}
