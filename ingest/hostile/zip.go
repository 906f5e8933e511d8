package hostile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// part is an entry of a package.
type part struct {
	name    string
	content []byte
}

// pack writes a ZIP; the first entry named mimetype is stored, as OpenDocument wants it.
func pack(parts ...part) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		method := zip.Deflate
		if p.name == "mimetype" {
			method = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: method})
		if err != nil {
			panic(err) // a Buffer takes everything
		}
		w.Write(p.content)
	}
	z.Close()
	return b.Bytes()
}

// A rawEntry says of itself what it wants.
type rawEntry struct {
	name         string
	method       uint16
	flags        uint16
	crc          uint32
	packed, size uint32
	offset       uint32 // of the local header, in the directory
	local        []byte // written before the directory; nil to share another's
}

// raw writes a ZIP whose directory says whatever the entries want.
func raw(entries ...rawEntry) []byte {
	var body, directory bytes.Buffer
	le := binary.LittleEndian
	for _, e := range entries {
		if e.local != nil {
			e.offset = uint32(body.Len())
			body.Write(e.header(false))
			body.Write(e.local)
		}
		directory.Write(e.header(true))
	}
	at := body.Len()
	end := []byte("PK\x05\x06\x00\x00\x00\x00")
	end = le.AppendUint16(end, uint16(len(entries)))
	end = le.AppendUint16(end, uint16(len(entries)))
	end = le.AppendUint32(end, uint32(directory.Len()))
	end = le.AppendUint32(end, uint32(at))
	end = le.AppendUint16(end, 0)
	body.Write(directory.Bytes())
	body.Write(end)
	return body.Bytes()
}

// header is the local header or the one of the directory (APPNOTE 4.3.7, 4.3.12).
func (e rawEntry) header(central bool) []byte {
	le := binary.LittleEndian
	b := []byte("PK\x03\x04")
	if central {
		b = []byte("PK\x01\x02\x14\x00")
	}
	b = le.AppendUint16(b, 20)
	b = le.AppendUint16(b, e.flags)
	b = le.AppendUint16(b, e.method)
	b = le.AppendUint32(b, 0x5A210000) // date and time
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, e.packed)
	b = le.AppendUint32(b, e.size)
	b = le.AppendUint16(b, uint16(len(e.name)))
	b = le.AppendUint16(b, 0)
	if central {
		b = append(b, make([]byte, 10)...) // comment, disk, attributes
		b = le.AppendUint32(b, e.offset)
	}
	return append(b, e.name...)
}

// zeros is a deflated entry that unpacks to so many bytes.
func zeros(name string, size int) rawEntry {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	block, sum := make([]byte, 1<<20), crc32.NewIEEE()
	for left := size; left > 0; left -= len(block) {
		n := min(left, len(block))
		w.Write(block[:n])
		sum.Write(block[:n])
	}
	w.Close()
	return rawEntry{name: name, method: zip.Deflate, crc: sum.Sum32(), packed: uint32(b.Len()), size: uint32(size), local: b.Bytes()}
}

// overlapping lets many entries share the bytes of one, as zip bombs that do
// not nest do.
func overlapping(entries, size int) []byte {
	kernel := zeros("0", size)
	all := []rawEntry{kernel}
	for i := 1; i < entries; i++ {
		e := kernel
		e.name, e.local, e.offset = fmt.Sprint(i), nil, 0
		all = append(all, e)
	}
	return raw(all...)
}

// russian is a ZIP in a ZIP in a ZIP.
func russian(depth int, content []byte) []byte {
	for i := range depth {
		content = pack(part{fmt.Sprintf("%d.zip", i), content})
	}
	return content
}

// crowded has so many entries of no bytes.
func crowded(n int) []byte {
	all := make([]rawEntry, n)
	for i := range all {
		all[i] = rawEntry{name: "a", local: nil}
	}
	all[0].local = []byte{}
	return raw(all...)
}

func zips() []File {
	lie := func(declared, real int) []byte {
		e := zeros("bericht.txt", real)
		e.size = uint32(declared)
		return raw(e)
	}
	return []File{
		{Name: "nested-50.zip", Content: func() []byte { return russian(50, []byte(Marker)) }},
		{Name: "bomb-1gib.zip", Content: func() []byte { return raw(zeros("a", 1<<30)) }, Heavy: true},
		{Name: "overlap.zip", Content: func() []byte { return overlapping(1000, 8<<20) }},
		{Name: "overlap.docx", Content: func() []byte { return overlapping(1000, 8<<20) }},
		{Name: "declares-4gib.zip", Content: func() []byte { return lie(0xFFFFFFF0, 10) }},
		{Name: "declares-less.docx", Content: func() []byte { return lie(10, 64<<20) }},
		{Name: "crowded.zip", Content: func() []byte { return crowded(1_000_000) }},
		{Name: "crowded.docx", Content: func() []byte { return crowded(1_000_000) }},
		{Name: "no-directory.docx", Content: func() []byte { b := plainDOCX(); return b[:len(b)-30] }},
		{Name: "traversal.odt", Content: func() []byte {
			return pack(append(odtParts("", paragraph(Marker)), part{"../../../../tmp/bestand-was-here", []byte("x")})...)
		}},
		{Name: "loop-offset.docx", Content: func() []byte {
			e := rawEntry{name: "word/document.xml", method: zip.Deflate, packed: 1 << 30, size: 1 << 30}
			return raw(rawEntry{name: "[Content_Types].xml", local: []byte{}}, e)
		}},
	}
}
