package pades

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// revision is the newest state of a document, which an incremental update can
// follow (ISO 32000-2, 7.5.6).
type revision struct {
	size    int64   // of the document in bytes
	xref    int64   // where its newest cross-reference begins
	stream  bool    // that is a stream, not a table
	next    uint32  // the first free object number
	root    ref     // the catalog
	trailer []entry // what every trailer repeats: Info and ID
}

// ref names an indirect object.
type ref struct{ number, generation uint32 }

func (r ref) String() string { return fmt.Sprintf("%d %d R", r.number, r.generation) }

// object is an indirect object with its value as it is to stand in the file.
type object struct {
	ref
	value []byte
}

// maxObject is the largest object number (ISO 32000-1, annex C).
const maxObject = 8_388_607

// append returns the update that gives a document new objects, and others in the
// place of those of the same number. It has the kind of cross-reference that the
// document has.
func (v revision) append(objects ...object) []byte {
	var b bytes.Buffer
	b.WriteByte('\n')
	objects = slices.Clone(objects)
	slices.SortFunc(objects, func(a, b object) int { return int(a.number) - int(b.number) })
	offsets := make([]int64, 0, len(objects)+1)
	size := v.next
	for _, o := range objects {
		offsets = append(offsets, v.size+int64(b.Len()))
		fmt.Fprintf(&b, "%d %d obj\n%s\nendobj\n", o.number, o.generation, o.value)
		size = max(size, o.number+1)
	}
	at := v.size + int64(b.Len())
	if v.stream {
		own := object{ref: ref{number: size}}
		size++
		offsets = append(offsets, at)
		v.writeStream(&b, own.ref, append(objects, own), offsets, size)
	} else {
		v.writeTable(&b, objects, offsets, size)
	}
	fmt.Fprintf(&b, "startxref\n%d\n%%%%EOF\n", at)
	return b.Bytes()
}

// writeTable writes a cross-reference table with its trailer (7.5.4, 7.5.5).
func (v revision) writeTable(b *bytes.Buffer, objects []object, offsets []int64, size uint32) {
	b.WriteString("xref\n")
	for i := 0; i < len(objects); {
		n := following(objects[i:])
		fmt.Fprintf(b, "%d %d\n", objects[i].number, n)
		for range n {
			fmt.Fprintf(b, "%010d %05d n\r\n", offsets[i], objects[i].generation)
			i++
		}
	}
	b.WriteString("trailer\n<<")
	v.writeTrailer(b, size)
	b.WriteString(" >>\n")
}

// writeStream writes a cross-reference stream (7.5.8), which names itself as well.
func (v revision) writeStream(b *bytes.Buffer, own ref, objects []object, offsets []int64, size uint32) {
	var rows bytes.Buffer
	index := ""
	for i := 0; i < len(objects); {
		n := following(objects[i:])
		index += fmt.Sprintf(" %d %d", objects[i].number, n)
		for range n {
			row := binary.BigEndian.AppendUint64([]byte{1}, uint64(offsets[i]))
			rows.Write(binary.BigEndian.AppendUint16(row, uint16(objects[i].generation)))
			i++
		}
	}
	fmt.Fprintf(b, "%d 0 obj\n<< /Type /XRef /W [1 8 2] /Index [%s ] /Length %d", own.number, index, rows.Len())
	v.writeTrailer(b, size)
	b.WriteString(" >>\nstream\n")
	rows.WriteTo(b)
	b.WriteString("\nendstream\nendobj\n")
}

func (v revision) writeTrailer(b *bytes.Buffer, size uint32) {
	fmt.Fprintf(b, " /Size %d /Root %s /Prev %s", size, v.root, strconv.FormatInt(v.xref, 10))
	for _, e := range v.trailer {
		fmt.Fprintf(b, " %s %s", encodeName(e.key), e.value)
	}
}

// following says how many objects from the first on have numbers without a gap.
func following(objects []object) (n int) {
	for n = 1; n < len(objects) && objects[n].number == objects[n-1].number+1; n++ {
	}
	return n
}
