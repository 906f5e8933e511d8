package pades_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// build writes a PDF of the given objects, the first of which is the catalog,
// with a classic cross-reference table and the given entries in its trailer.
func build(trailer string, objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	offsets := body(&b, objects)
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, trailer, xref)
	return b.Bytes()
}

// buildStream is build with a cross-reference stream, and with the catalog in
// an object stream.
func buildStream(trailer string, objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	catalog := "1 0 " + objects[0]
	n := len(objects) + 1 // object stream, then cross-reference stream
	rest := append(objects[1:len(objects):len(objects)], stream("/Type /ObjStm /N 1 /First 4 ", catalog))
	offsets := make([]int, 0, len(rest))
	for i, o := range rest {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+2, o)
	}
	xref := b.Len()
	var rows bytes.Buffer
	row := func(kind byte, v uint32, last byte) {
		rows.WriteByte(kind)
		binary.Write(&rows, binary.BigEndian, v)
		rows.WriteByte(last)
	}
	row(0, 0, 255)
	row(2, uint32(n), 0)
	for _, o := range offsets {
		row(1, uint32(o), 0)
	}
	row(1, uint32(xref), 0)
	fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", n+1,
		stream(fmt.Sprintf("/Type /XRef /W [1 4 1] /Size %d /Root 1 0 R %s ", n+2, trailer), rows.String()), xref)
	return b.Bytes()
}

func body(b *bytes.Buffer, objects []string) (offsets []int) {
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	return offsets
}

func stream(dict, data string) string {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write([]byte(data))
	w.Close()
	return fmt.Sprintf("<< %s/Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", dict, z.Len(), z.String())
}

const (
	pages = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
	page  = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << >> >>"
	draw  = "<< /Length 22 >>\nstream\n10 10 100 100 re f\n0 g\nendstream"
	info  = "<< /Title (Bauakte \\(Neubau\\)) >>"
)

const trailerInfo = "/Info 5 0 R /ID [<00ff28295c0d> <00ff28295c0d>]"

// documents are PDFs of the kinds that get sealed, with the odd parts that a
// seal must leave alone.
func documents() map[string][]byte {
	odd := `<< /Type /Catalog /Pages 2 0 R /Lang (de-DE) /PageLabels << /Nums [0 << /P (A\(1\)-\\) >>] >> /OpenAction [3 0 R /XYZ null null 0.5] >>`
	form := `<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /DA (/Helv 0 Tf \(0\) g) /DR << /Font << >> >> /NeedAppearances false /A#20B /c#2fd >> >>`
	field := `<< /FT /Tx /T (Name) /V (B\366hm) >>`
	return map[string][]byte{
		"classic":               build(trailerInfo, odd, pages, page, draw, info),
		"classic with form":     build(trailerInfo, form, pages, page, draw, info, field),
		"xref stream":           buildStream(trailerInfo, strings.ReplaceAll(odd, `\(1\)`, "1"), pages, page, draw, info),
		"xref stream with form": buildStream(trailerInfo, form, pages, page, draw, info, field),
		"without information":   build("", "<< /Type /Catalog /Pages 2 0 R >>", pages, page, draw),
		"bytes after the end":   append(build(trailerInfo, "<< /Type /Catalog /Pages 2 0 R >>", pages, page, draw, info), "\n\n\n"...),
	}
}

// signedBy writes a PDF with one signature in the way of other producers:
// Contents before ByteRange, and the signature made by sign.
func signedBy(t testing.TB, subFilter string, sign func(content []byte) []byte) []byte {
	t.Helper()
	const room = 20000
	zeros := strings.Repeat("0", room)
	doc := build(trailerInfo,
		"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /SigFlags 3 >> >>", pages, page, draw, info,
		"<< /FT /Sig /T (Unterschrift) /V 7 0 R >>",
		"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /"+subFilter+" /Reason (an object 1 0 obj) /Contents <"+zeros+"> /ByteRange [0 1111111111 1111111111 1111111111] /M (D:20240102030405Z) >>")
	from := bytes.Index(doc, []byte("<"+zeros))
	to := from + room + 2
	ranges := fmt.Sprintf("[0 %d %d %d", from, to, len(doc)-to)
	old := "[0 1111111111 1111111111 1111111111]"
	doc = bytes.Replace(doc, []byte(old), []byte(ranges+strings.Repeat(" ", len(old)-len(ranges)-1)+"]"), 1)
	cms := sign(append(append([]byte{}, doc[:from]...), doc[to:]...))
	if 2*len(cms) > room {
		t.Fatalf("signature of %d bytes", len(cms))
	}
	copy(doc[from+1:], strings.ToUpper(hex.EncodeToString(cms)))
	return doc
}

// appended adds an incremental update that changes the page.
func appended(doc []byte) []byte {
	i := bytes.LastIndex(doc, []byte("startxref\n"))
	prev := strings.Fields(string(doc[i:]))[1]
	var b bytes.Buffer
	b.Write(doc)
	off := b.Len()
	fmt.Fprintf(&b, "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 20 20] >>\nendobj\n")
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n3 1\n%010d 00000 n \ntrailer\n<< /Size 20 /Root 1 0 R /Prev %s >>\nstartxref\n%d\n%%%%EOF\n", off, prev, xref)
	return b.Bytes()
}
