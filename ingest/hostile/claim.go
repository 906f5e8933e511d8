package hostile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// compound writes an OLE2 file ([MS-CFB] 2) with small streams in regular
// sectors of 512 bytes: one sector of allocation table, the directory, the data.
func compound(streams ...part) []byte {
	le := binary.LittleEndian
	const free, end, table = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
	directories := (len(streams) + 1 + 3) / 4
	fat := []uint32{table}
	for i := range directories {
		fat = append(fat, uint32(i+2))
	}
	fat[directories] = end
	entry := func(name string, kind byte, left, right, child, start uint32, size int) []byte {
		b := make([]byte, 128)
		for i, c := range utf16.Encode([]rune(name)) {
			le.PutUint16(b[2*i:], c)
		}
		le.PutUint16(b[64:], uint16(2*len(name)+2))
		b[66], b[67] = kind, 1
		le.PutUint32(b[68:], left)
		le.PutUint32(b[72:], right)
		le.PutUint32(b[76:], child)
		le.PutUint32(b[116:], start)
		le.PutUint32(b[120:], uint32(size))
		return b
	}
	first := uint32(free)
	if len(streams) > 0 {
		first = 1
	}
	directory := entry("Root Entry", 5, free, free, first, end, 0)
	var data []byte
	for i, s := range streams {
		content := append(bytes.Clone(s.content), make([]byte, max(0, 4096-len(s.content)))...) // above the limit of the small sectors
		right := uint32(i + 2)
		if i == len(streams)-1 {
			right = free
		}
		directory = append(directory, entry(s.name, 2, free, right, free, uint32(len(fat)), len(content))...)
		for n := (len(content) + 511) / 512; n > 0; n-- {
			next := uint32(len(fat) + 1)
			if n == 1 {
				next = end
			}
			fat = append(fat, next)
		}
		data = append(append(data, content...), make([]byte, (512-len(content)%512)%512)...)
	}
	directory = append(directory, make([]byte, directories*512-len(directory))...)
	head := make([]byte, 512)
	copy(head, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	for at, v := range map[int]uint16{24: 0x3E, 26: 3, 28: 0xFFFE, 30: 9, 32: 6} {
		le.PutUint16(head[at:], v)
	}
	for at, v := range map[int]uint32{44: 1, 48: 1, 56: 4096, 60: end, 68: end, 76: 0} {
		le.PutUint32(head[at:], v)
	}
	for at := 80; at < 512; at += 4 {
		le.PutUint32(head[at:], free)
	}
	sector := make([]byte, 0, 512)
	for i := range 128 {
		v := uint32(free)
		if i < len(fat) {
			v = fat[i]
		}
		sector = le.AppendUint32(sector, v)
	}
	return append(append(append(head, sector...), directory...), data...)
}

// looping is an OLE2 file whose chain of sectors, directory tree or table runs in a circle.
func looping(where string) []byte {
	b := compound(part{"WordDocument", []byte{0xEC, 0xA5}}, part{"1Table", nil})
	le := binary.LittleEndian
	switch where {
	case "chain":
		le.PutUint32(b[512+4*2:], 2) // the first sector of a stream follows itself
		le.PutUint32(b[512+4*1:], 1) // so does the directory
	case "tree":
		le.PutUint32(b[1024+128+72:], 1) // the right sibling of an entry is itself
		le.PutUint32(b[1024+128+68:], 0)
	case "table":
		le.PutUint32(b[68:], 0) // the table of tables is a table
		le.PutUint32(b[72:], 0xFFFFFFF0)
	case "size":
		le.PutUint32(b[1024+128+120:], 0xFFFFFFFF)
		le.PutUint32(b[1024+128+124:], 0x7FFFFFFF)
	}
	return b
}

// encrypted are files that ask for a password.
func encrypted() []File {
	agile := `<?xml version="1.0"?><encryption xmlns="http://schemas.microsoft.com/office/2006/encryption"><keyData saltSize="16" blockSize="16" keyBits="256" hashSize="64" cipherAlgorithm="AES" cipherChaining="ChainingModeCBC" hashAlgorithm="SHA512" saltValue="AAAAAAAAAAAAAAAAAAAAAA=="/><dataIntegrity encryptedHmacKey="" encryptedHmacValue=""/><keyEncryptors><keyEncryptor uri="http://schemas.microsoft.com/office/2006/keyEncryptor/password"><p:encryptedKey xmlns:p="http://schemas.microsoft.com/office/2006/keyEncryptor/password" spinCount="2000000000" saltSize="16" blockSize="16" keyBits="256" hashSize="64" cipherAlgorithm="AES" cipherChaining="ChainingModeCBC" hashAlgorithm="SHA512" saltValue="AAAAAAAAAAAAAAAAAAAAAA==" encryptedVerifierHashInput="" encryptedVerifierHashValue="" encryptedKeyValue=""/></keyEncryptor></keyEncryptors></encryption>`
	ooxml := compound(part{"EncryptionInfo", append([]byte("\x04\x00\x04\x00\x40\x00\x00\x00"), agile...)}, part{"EncryptedPackage", Noise(3, 5000)})
	odf := odtParts("", paragraph(Marker))
	odf[1].content = Noise(4, 3000)
	odf[2].content = []byte(`<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>` +
		`<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml" manifest:size="900"><manifest:encryption-data manifest:checksum-type="SHA256-1K" manifest:checksum="AA=="><manifest:algorithm manifest:algorithm-name="http://www.w3.org/2001/04/xmlenc#aes256-cbc" manifest:initialisation-vector="AAAAAAAAAAAAAAAAAAAAAA=="/>` +
		`<manifest:key-derivation manifest:key-derivation-name="PBKDF2" manifest:key-size="32" manifest:iteration-count="2000000000" manifest:salt="AAAAAAAAAAAAAAAAAAAAAA=="/></manifest:encryption-data></manifest:file-entry></manifest:manifest>`)
	word := make([]byte, 64)
	copy(word, "\xEC\xA5\xC1\x00")
	word[11] = 0x01 // fEncrypted
	filePass := []byte("\x09\x08\x10\x00\x00\x06\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x2F\x00\x04\x00\x00\x00\x00\x00")
	locked := raw(rawEntry{name: "geheim.txt", method: zip.Deflate, flags: 1, packed: 40, size: 30, local: Noise(5, 40)})
	return []File{
		{Name: "agile.docx", Content: fixed(ooxml), Code: "encrypted"}, {Name: "agile.xlsx", Content: fixed(ooxml), Code: "encrypted"}, {Name: "odf.odt", Content: func() []byte { return pack(odf...) }, Code: "encrypted"},
		{Name: "word97.doc", Content: func() []byte { return compound(part{"WordDocument", word}) }, Code: "encrypted"},
		{Name: "excel97.xls", Content: func() []byte { return compound(part{"Workbook", filePass}) }, Code: "encrypted"},
		{Name: "locked.zip", Content: fixed(locked), Code: "encrypted"}, {Name: "locked.docx", Content: fixed(locked), Code: "encrypted"},
		{Name: "crypted.zip", Content: func() []byte { return crypted("geheim.txt", []byte(Marker)) }, Code: "encrypted"},
		{Name: "smime.eml", Content: text(letterHead + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAGCSqGSIb3DQEHA6CA\r\n")},
	}
}

// contradictions are files that are not what they claim, or several things at once.
func contradictions(t Trap) []File {
	exe := append([]byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xFF\xFF\x00\x00"), append(make([]byte, 44), append([]byte("\x80\x00\x00\x00"), append(make([]byte, 64), "PE\x00\x00L\x01"...)...)...)...)
	exe = append(exe, Noise(9, 2000)...)
	page := []byte("<html><body><p>" + Marker + "</p></body></html>")
	both := func() []byte { // a PDF and, read from its end, a ZIP
		b := onePage("", "")
		z := raw(rawEntry{name: "a.txt", size: 1, packed: 1, crc: 0xE8B7BE43, local: []byte("a")})
		at := binary.LittleEndian.Uint32(z[len(z)-6:])
		binary.LittleEndian.PutUint32(z[len(z)-6:], at+uint32(len(b)))
		return append(b, z...)
	}
	files := []File{
		{Name: "programm.pdf", Content: fixed(exe)}, {Name: "programm.docx", Content: fixed(exe)}, {Name: "seite.docx", Content: fixed(page), Shows: true}, {Name: "seite.pdf", Content: fixed(page), Shows: true},
		{Name: "bild.txt", Content: func() []byte { return png(8, 8, 8, 0) }}, {Name: "dokument.xlsx", Content: plainDOCX, Shows: true}, {Name: "dokument.jpg", Content: plainDOCX, Shows: true},
		{Name: "pdf-zip.pdf", Content: both, Shows: true}, {Name: "pdf-zip.docx", Content: both, Shows: true}, {Name: "pdf-zip.zip", Content: both, Shows: true},
		{Name: "pdf-html.pdf", Content: func() []byte {
			return append([]byte("<!doctype html><script>fetch('"+t.URL+"/polyglot')</script>\n"), onePage("", "")...)
		}},
		{Name: "gif-js.gif", Content: text("GIF89a/*" + "\x00\x00" + "*/=1;fetch('" + t.URL + "/gif')")},
		{Name: "rtf.doc", Content: text(`{\rtf1\ansi ` + Marker + `}`), Shows: true},
		{Name: "macro.docx", Content: func() []byte {
			return docx(run(Marker), relation("rId9", "vbaProject", "vbaProject.bin", ""), part{"word/vbaProject.bin", compound(part{"VBA", nil})})
		}},
		{Name: "ole-in-docx.docx", Content: func() []byte {
			return docx(run(Marker), relation("rId9", "oleObject", "embeddings/a.bin", ""), part{"word/embeddings/a.bin", append(compound(), exe...)})
		}, Shows: true},
		{Name: "prefix.docx", Content: func() []byte { return append([]byte("#!/bin/sh\nexit\n"), plainDOCX()...) }},
		{Name: "empty.odt", Content: func() []byte { return odt("", "") }},
		{Name: "broken-content.odt", Content: func() []byte { return odt("", "<text:p>"+Marker+"</text:q>") }},
		{Name: "broken-document.docx", Content: func() []byte { return docx("<w:p><w:r><w:t>"+Marker+"</w:p>", "") }},
		{Name: "missing-picture.docx", Content: func() []byte {
			return docx(wordPicture("rId5"), relation("rId5", "image", "media/a.png", ""), part{"word/media/a.png", []byte("no picture")})
		}},
		{Name: "control-characters.txt", Content: text("\x1b]0;" + Marker + "\x07\x1b[2J\x00\x08")},
	}
	for _, where := range []string{"chain", "tree", "table", "size"} {
		for _, ext := range []string{"doc", "msg", "xls"} {
			files = append(files, File{Name: fmt.Sprintf("ole-%s.%s", where, ext), Content: func() []byte { return looping(where) }})
		}
	}
	return files
}
