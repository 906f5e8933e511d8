package hostile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
)

func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// hugePNG announces a size and holds so many rows of 8 bit gray; interlaced
// ones must be decoded as a whole.
func hugePNG(w, h, rows int) []byte { return png(w, h, rows, 0) }

func png(w, h, rows int, interlace byte) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	head = append(head, 8, 0, 0, 0, interlace)
	b := append([]byte("\x89PNG\r\n\x1A\n"), chunk("IHDR", head)...)
	b = append(b, chunk("IDAT", deflated([]byte{0}, int64(rows)*int64(w+1)))...)
	return append(b, chunk("IEND", nil)...)
}

// profiled is a PNG whose colour profile or text unpacks to a gigabyte.
func profiled(kind string, head string) []byte {
	b := png(10, 10, 10, 0)
	at := 8 + 25
	return append(append(bytes.Clone(b[:at]), chunk(kind, append([]byte(head), deflated([]byte{0}, 1<<30)...))...), b[at:]...)
}

// directories is a TIFF of so many image directories of one pixel; the last one
// points to the first when it loops.
func directories(n int, loop bool) []byte {
	le := binary.LittleEndian
	b := []byte("II*\x00\x08\x00\x00\x00")
	entry := func(tag, kind uint16, v uint32) {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, tag), kind), 1), v)
	}
	for i := range n {
		b = le.AppendUint16(b, 8)
		entry(256, 4, 1) // width
		entry(257, 4, 1)
		entry(258, 3, 8)
		entry(259, 3, 1)
		entry(262, 3, 1)
		entry(273, 4, 8) // the strip: any byte
		entry(278, 4, 1)
		entry(279, 4, 1)
		next := uint32(len(b) + 4)
		if i == n-1 {
			next = 0
			if loop {
				next = 8
			}
		}
		b = le.AppendUint32(b, next)
	}
	return b
}

// sized is a TIFF of one strip that announces a size.
func sized(w, h uint32, compression uint32, data []byte) []byte {
	le := binary.LittleEndian
	b := []byte("II*\x00\x08\x00\x00\x00\x08\x00")
	at := uint32(8 + 2 + 8*12 + 4)
	for _, e := range [][3]uint32{{256, 4, w}, {257, 4, h}, {258, 3, 8}, {259, 3, compression}, {262, 3, 1}, {273, 4, at}, {278, 4, h}, {279, 4, uint32(len(data))}} {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, uint16(e[0])), uint16(e[1])), 1), e[2])
	}
	return append(le.AppendUint32(b, 0), data...)
}

func images() []File {
	gif := func(w, h uint16, frames int) []byte {
		b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte("GIF89a"), w), h)
		b = append(b, 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
		for range frames {
			b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(append(b, 0x2C, 0, 0, 0, 0), w), h)
			b = append(b, 0, 2, 2, 0x4C, 1, 0)
		}
		return append(b, 0x3B)
	}
	bmp := func(w, h int32) []byte {
		b := append([]byte("BM"), make([]byte, 8)...)
		le := binary.LittleEndian
		b = le.AppendUint32(b, 54)
		b = le.AppendUint32(b, 40)
		b = le.AppendUint32(le.AppendUint32(b, uint32(w)), uint32(h))
		b = le.AppendUint16(le.AppendUint16(b, 1), 24)
		return append(b, make([]byte, 24+100)...)
	}
	jpeg := func(w, h uint16) []byte {
		be := binary.BigEndian
		b := []byte("\xFF\xD8\xFF\xC0\x00\x0B\x08")
		b = be.AppendUint16(be.AppendUint16(b, h), w)
		return append(b, "\x01\x01\x11\x00\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00\xFF\xD9"...)
	}
	webp := []byte("RIFF\x1A\x00\x00\x00WEBPVP8L\x0D\x00\x00\x00\x2F\xFF\xFF\xFF\x0F\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	return []File{
		{Name: "60000.png", Content: func() []byte { return hugePNG(60000, 60000, 100) }},
		{Name: "20000-whole.png", Heavy: true, Content: func() []byte { return hugePNG(20000, 20000, 20000) }},
		{Name: "20000-interlaced.png", Heavy: true, Content: func() []byte { return png(20000, 20000, 20003, 1) }},
		{Name: "2-to-the-31.png", Content: func() []byte { return hugePNG(1<<31-1, 1<<31-1, 0) }},
		{Name: "idat-long.png", Content: func() []byte { return hugePNG(10, 10, 10_000_000) }},
		{Name: "profile-1gib.png", Content: func() []byte { return profiled("iCCP", "p\x00\x00") }},
		{Name: "text-1gib.png", Content: func() []byte { return profiled("zTXt", "p\x00\x00") }},
		{Name: "65535-directories.tif", Content: func() []byte { return directories(65535, false) }},
		{Name: "directory-loop.tif", Content: func() []byte { return directories(3, true) }},
		{Name: "directory-itself.tif", Content: func() []byte { return directories(1, true) }},
		{Name: "giant.tif", Content: func() []byte { return sized(1<<31, 1<<31, 1, []byte{0}) }},
		{Name: "deflate-bomb.tif", Content: func() []byte { return sized(30000, 30000, 8, zlibbed(900_000_000)) }, Heavy: true},
		{Name: "packbits-bomb.tif", Content: func() []byte { return sized(60000, 30000, 32773, bytes.Repeat([]byte{0x81, 0}, 1000)) }},
		{Name: "65535.gif", Content: func() []byte { return gif(65535, 65535, 1) }},
		{Name: "frames.gif", Content: func() []byte { return gif(100, 100, 100_000) }},
		{Name: "giant.bmp", Content: func() []byte { return bmp(1<<30, 1<<30) }},
		{Name: "negative.bmp", Content: func() []byte { return bmp(-5, -1<<31) }},
		{Name: "65535.jpg", Content: func() []byte { return jpeg(65535, 65535) }},
		{Name: "zero.jpg", Content: func() []byte { return jpeg(0, 0) }},
		{Name: "16384.webp", Content: fixed(webp)},
	}
}

func zlibbed(n int64) []byte {
	if n == 0 {
		var b bytes.Buffer
		zlib.NewWriter(&b).Close()
		return b.Bytes()
	}
	return deflated([]byte{0}, n)
}
