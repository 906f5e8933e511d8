package hostile

import (
	"archive/zip"
	"fmt"
	"hash/crc32"
)

// Damaged returns noise under every extension and good files that end too early.
func Damaged(t Trap) []File {
	var all []File
	for i, ext := range Extensions {
		all = append(all, File{Group: "noise", Name: "noise." + ext, Content: func() []byte { return Noise(uint64(i), 5000) }})
	}
	whole := []struct {
		ext     string
		content []byte
	}{
		{"docx", plainDOCX()}, {"odt", odt("", paragraph(Marker))}, {"xlsx", xlsx(inline("A1", Marker), "", "")},
		{"pdf", onePage("", "")}, {"rtf", []byte(`{\rtf1\ansi ` + Marker + `\par}`)}, {"html", []byte(webPage(t))},
		{"eml", []byte(letterHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + Marker + "\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n" + string(onePage("", "")) + "\r\n--b--\r\n")},
		{"xml", []byte(ublRoot + Marker + "</cbc:ID></Invoice>")}, {"doc", compound(part{"WordDocument", []byte{0xEC, 0xA5}}, part{"1Table", nil})},
		{"msg", compound(part{"__substg1.0_0037001F", []byte("B\x00")}, part{"__properties_version1.0", nil})},
		{"zip", pack(part{"a.txt", Noise(6, 2000)}, part{"b.txt", []byte(Marker)})},
		{"png", png(200, 200, 200, 0)}, {"tif", sized(20, 20, 1, make([]byte, 400))}, {"tif", directories(20, false)},
	}
	for n, f := range whole {
		for _, percent := range []int{1, 10, 50, 90, 99} {
			cut := File{Group: "truncated", Name: fmt.Sprintf("%d-%d.%s", n, percent, f.ext), Content: fixed(f.content[:max(1, len(f.content)*percent/100)])}
			switch f.ext {
			case "pdf", "docx", "odt", "xlsx", "png":
				cut.Blank, cut.Code = true, "damaged"
			case "html":
				cut.Code = "truncated"
			}
			all = append(all, cut)
		}
	}
	return all
}

// crypted is a ZIP whose entry is encrypted as PKZIP did (APPNOTE 6.1), with
// the password "geheim".
func crypted(name string, content []byte) []byte {
	keys := [3]uint32{0x12345678, 0x23456789, 0x34567890}
	update := func(c byte) {
		step := func(crc uint32, c byte) uint32 { return crc32.IEEETable[byte(crc)^c] ^ crc>>8 }
		keys[0] = step(keys[0], c)
		keys[1] = (keys[1]+keys[0]&0xFF)*134775813 + 1
		keys[2] = step(keys[2], byte(keys[1]>>24))
	}
	for _, c := range []byte("geheim") {
		update(c)
	}
	sum := crc32.ChecksumIEEE(content)
	plain := append(append(Noise(8, 11), byte(sum>>24)), content...)
	for i, c := range plain {
		k := keys[2] | 2
		update(c)
		plain[i] = c ^ byte(k*(k^1)>>8)
	}
	return raw(rawEntry{name: name, method: zip.Store, flags: 1, crc: sum, packed: uint32(len(plain)), size: uint32(len(content)), local: plain})
}
