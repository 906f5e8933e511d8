package image_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	stdimage "image"
	"image/color"
	"image/jpeg"
	"sort"
	"strings"
	"testing"

	"bestand/ingest/image"
	"bestand/ingest/image/ccitt"
)

// A sheet is a page of a TIFF file by hand.
type sheet struct {
	tags   map[uint16][]uint32 // written as LONG, or SHORT where TIFF wants that
	blobs  map[uint16][]byte
	chunks [][]byte
	tiled  bool
}

func tiffOf(o binary.AppendByteOrder, sheets ...sheet) []byte {
	b := []byte("II*\x00")
	if o == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	put32 := func(at int, v int) { copy(b[at:], o.AppendUint32(nil, uint32(v))) }
	b = o.AppendUint32(b, 0)
	link := 4
	for _, s := range sheets {
		offsets, counts := uint16(273), uint16(279)
		if s.tiled {
			offsets, counts = 324, 325
		}
		s.tags[offsets], s.tags[counts] = nil, nil
		for _, c := range s.chunks {
			s.tags[offsets] = append(s.tags[offsets], uint32(len(b)))
			s.tags[counts] = append(s.tags[counts], uint32(len(c)))
			b = append(b, c...)
		}
		type field struct {
			tag, kind uint16
			n         int
			bytes     []byte
		}
		var fields []field
		for tag, vs := range s.tags {
			f := field{tag: tag, kind: 4, n: len(vs)}
			short := tag != offsets && tag != counts && tag != 256 && tag != 257
			for _, v := range vs {
				if short {
					f.kind = 3
					f.bytes = o.AppendUint16(f.bytes, uint16(v))
				} else {
					f.bytes = o.AppendUint32(f.bytes, v)
				}
			}
			fields = append(fields, f)
		}
		for tag, v := range s.blobs {
			fields = append(fields, field{tag, 7, len(v), v})
		}
		resolution := o.AppendUint32(o.AppendUint32(nil, 72), 1)
		fields = append(fields, field{282, 5, 1, resolution}, field{283, 5, 1, resolution})
		sort.Slice(fields, func(i, j int) bool { return fields[i].tag < fields[j].tag })
		at := make([]int, len(fields))
		for i, f := range fields {
			if len(f.bytes) > 4 {
				at[i] = len(b)
				b = append(b, f.bytes...)
			}
		}
		put32(link, len(b))
		b = o.AppendUint16(b, uint16(len(fields)))
		for i, f := range fields {
			b = o.AppendUint16(b, f.tag)
			b = o.AppendUint16(b, f.kind)
			b = o.AppendUint32(b, uint32(f.n))
			if len(f.bytes) > 4 {
				b = o.AppendUint32(b, uint32(at[i]))
			} else {
				b = append(b, append(f.bytes, 0, 0, 0, 0)[:4]...)
			}
		}
		link = len(b)
		b = o.AppendUint32(b, 0)
	}
	return b
}

func zipped(b []byte) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func packBits(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		n := 1
		for n < len(b) && n < 128 && b[n] == b[0] {
			n++
		}
		if n > 2 {
			out, b = append(out, byte(1-n), b[0]), b[n:]
			continue
		}
		n = min(len(b), 3)
		out, b = append(append(out, byte(n-1)), b[:n]...), b[n:]
	}
	return append(out, 0x80)
}

// lzw writes codes of nine bits and starts afresh before they would grow.
func lzw(b []byte) []byte {
	var out []byte
	acc, have := uint32(0), 0
	put := func(c uint32) {
		acc, have = acc<<9|c, have+9
		for have >= 8 {
			have -= 8
			out = append(out, byte(acc>>have))
		}
	}
	for i, v := range b {
		if i%200 == 0 {
			put(256)
		}
		put(uint32(v))
	}
	put(257)
	return append(out, byte(acc<<(8-have)))
}

func differences(b []byte, row, step int) []byte {
	d := bytes.Clone(b)
	for y := 0; y < len(d); y += row {
		for i := y + row - 1; i >= y+step; i-- {
			d[i] -= d[i-step]
		}
	}
	return d
}

// pixels returns the samples of an image: RGB, or the bits of a bilevel one.
func rgb(m stdimage.Image) []byte {
	var out []byte
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := m.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(bl>>8))
		}
	}
	return out
}

func bilevel(m stdimage.Image) (bits []byte, stride int) { // 1 is black
	b := m.Bounds()
	stride = (b.Dx() + 7) / 8
	bits = make([]byte, stride*b.Dy())
	for y := range b.Dy() {
		for x := range b.Dx() {
			if r, _, _, _ := m.At(x, y).RGBA(); r == 0 {
				bits[y*stride+x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return bits, stride
}

func g4(rows []byte, width int) []byte {
	var b bytes.Buffer
	e := ccitt.NewEncoder(&b, width)
	for stride := (width + 7) / 8; len(rows) > 0; rows = rows[stride:] {
		e.Row(rows[:stride])
	}
	e.Close()
	return b.Bytes()
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, v := range b {
		for k := range 8 {
			out[i] |= v >> k & 1 << (7 - k)
		}
	}
	return out
}

func split(b []byte, n int) (parts [][]byte) {
	for ; len(b) > n; b = b[n:] {
		parts = append(parts, b[:n])
	}
	return append(parts, b)
}

func each(parts [][]byte, f func([]byte) []byte) (out [][]byte) {
	for _, p := range parts {
		out = append(out, f(p))
	}
	return out
}

func tags(kv ...uint32) map[uint16][]uint32 {
	m := map[uint16][]uint32{}
	for i := 0; i < len(kv); i += 2 {
		m[uint16(kv[i])] = []uint32{kv[i+1]}
	}
	return m
}

const tw, th = 104, 48

type tiffCase struct {
	name      string
	bytes     []byte
	want      stdimage.Image
	tolerance float64
	through   bool
}

func tiffCases(t testing.TB) []tiffCase {
	r := stdimage.Rect(0, 0, tw, th)
	pic := picture(tw, th, false)
	gray := as(stdimage.NewGray(r), pic)
	bw := as(stdimage.NewPaletted(r, color.Palette{color.White, color.Black}), pic)
	inverse := stdimage.NewPaletted(r, color.Palette{color.Black, color.White})
	copy(inverse.Pix, bw.Pix)
	samples, bits := rgb(pic), []byte(nil)
	bits, stride := bilevel(bw)
	le, be := binary.AppendByteOrder(binary.LittleEndian), binary.AppendByteOrder(binary.BigEndian)
	wide := func(o binary.AppendByteOrder) (out []byte) { // 16 bits, differences
		for y := range th {
			for x := range tw {
				for k := range 3 {
					v := uint16(samples[3*(y*tw+x)+k]) * 257
					if x > 0 {
						v -= uint16(samples[3*(y*tw+x-1)+k]) * 257
					}
					out = o.AppendUint16(out, v)
				}
			}
		}
		return out
	}
	planes := func() [][]byte {
		var p [3][]byte
		for i, v := range samples {
			p[i%3] = append(p[i%3], v)
		}
		return [][]byte{p[0], p[1], p[2]}
	}
	tiles := func(size int) (out [][]byte) {
		for y := 0; y < th; y += size {
			for x := 0; x < tw; x += size {
				tile := make([]byte, 3*size*size)
				for row := 0; row < size && y+row < th; row++ {
					n := min(size, tw-x)
					copy(tile[3*row*size:], samples[3*((y+row)*tw+x):3*((y+row)*tw+x+n)])
				}
				out = append(out, tile)
			}
		}
		return out
	}
	nibbles := func(m *stdimage.Gray, invert byte) (out []byte) {
		for i := 0; i < len(m.Pix); i += 2 {
			out = append(out, (m.Pix[i]>>4<<4|m.Pix[i+1]>>4)^invert)
		}
		return out
	}
	coarse := stdimage.NewGray(r)
	for i, v := range gray.Pix {
		coarse.Pix[i] = v >> 4 * 17
	}
	colours := make([]uint32, 48)
	for i := range 16 {
		colours[i], colours[16+i], colours[32+i] = uint32(i*17*257), uint32(i*17*257), uint32(i*17*257)
	}
	cmyk := make([]byte, 0, tw*th*4)
	for i := 0; i < len(samples); i += 3 {
		cmyk = append(cmyk, 255-samples[i], 255-samples[i+1], 255-samples[i+2], 0)
	}
	premultiplied, clear := []byte(nil), picture(tw, th, true)
	for y := range th {
		for x := range tw {
			r, g, b, a := clear.At(x, y).RGBA()
			premultiplied = append(premultiplied, byte(r>>8), byte(g>>8), byte(b>>8), byte(a>>8))
		}
	}
	jpg := jpegBytes(t, pic)
	shown, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(jpg, []byte{0xFF, 0xC0})
	dht, sos := bytes.Index(jpg, []byte{0xFF, 0xC4}), bytes.Index(jpg, []byte{0xFF, 0xDA})
	tables := bytes.Join([][]byte{jpg[:frame], jpg[dht:sos], {0xFF, 0xD9}}, nil)
	short := bytes.Join([][]byte{{0xFF, 0xD8}, jpg[frame:dht], jpg[sos:]}, nil)
	half := func(y int) []byte {
		return jpegBytes(t, pic.SubImage(stdimage.Rect(0, y, tw, y+th/2)))
	}
	base := func(bits, compression, photometric, samples uint32, more ...uint32) map[uint16][]uint32 {
		return tags(append([]uint32{256, tw, 257, th, 258, bits, 259, compression, 262, photometric, 277, samples, 296, 2}, more...)...)
	}
	full := func(m map[uint16][]uint32, tag uint16, v ...uint32) map[uint16][]uint32 { m[tag] = v; return m }
	return []tiffCase{
		{"g4", tiffOf(le, sheet{tags: base(1, 4, 0, 1), chunks: [][]byte{g4(bits, tw)}}), bw, 0, true},
		{"g4 black is zero", tiffOf(be, sheet{tags: base(1, 4, 1, 1), chunks: [][]byte{g4(bits, tw)}}), inverse, 0, true},
		{"g4 reversed bits", tiffOf(le, sheet{tags: base(1, 4, 0, 1, 266, 2), chunks: [][]byte{reversed(g4(bits, tw))}}), bw, 0, true},
		{"g4 strips", tiffOf(le, sheet{tags: base(1, 4, 0, 1, 278, 10), chunks: each(split(bits, 10*stride), func(b []byte) []byte { return g4(b, tw) })}), bw, 0, false},
		{"bilevel", tiffOf(le, sheet{tags: base(1, 1, 0, 1), chunks: [][]byte{bits}}), bw, 0, false},
		{"gray strips", tiffOf(be, sheet{tags: base(8, 1, 1, 1, 278, 7), chunks: split(gray.Pix, 7*tw)}), gray, 0, false},
		{"gray 4 bit white is zero", tiffOf(le, sheet{tags: base(4, 32773, 0, 1), chunks: [][]byte{packBits(nibbles(gray, 0xFF))}}), coarse, 0, false},
		{"palette", tiffOf(le, sheet{tags: full(base(4, 1, 3, 1), 320, colours...), chunks: [][]byte{nibbles(gray, 0)}}), coarse, 0, false},
		{"rgb lzw predictor", tiffOf(le, sheet{tags: base(8, 5, 2, 3, 317, 2), chunks: [][]byte{lzw(differences(samples, 3*tw, 3))}}), pic, 0, false},
		{"rgb 16 little", tiffOf(le, sheet{tags: base(16, 8, 2, 3, 317, 2), chunks: [][]byte{zipped(wide(le))}}), pic, 1, false},
		{"rgb 16 big", tiffOf(be, sheet{tags: base(16, 32946, 2, 3, 317, 2), chunks: [][]byte{zipped(wide(be))}}), pic, 1, false},
		{"planes", tiffOf(le, sheet{tags: base(8, 1, 2, 3, 284, 2), chunks: planes()}), pic, 0, false},
		{"tiles", tiffOf(le, sheet{tags: base(8, 8, 2, 3, 322, 32, 323, 32), chunks: each(tiles(32), zipped), tiled: true}), pic, 0, false},
		{"cmyk", tiffOf(le, sheet{tags: base(8, 1, 5, 4), chunks: [][]byte{cmyk}}), pic, 12, false},
		{"associated alpha", tiffOf(le, sheet{tags: base(8, 1, 2, 4, 338, 1), chunks: [][]byte{premultiplied}}), onWhite(clear), 3, false},
		{"jpeg with shared tables", tiffOf(le, sheet{tags: base(8, 7, 6, 3), blobs: map[uint16][]byte{347: tables}, chunks: [][]byte{short}}), shown, 90, true},
		{"jpeg strips", tiffOf(le, sheet{tags: base(8, 7, 6, 3, 278, th/2), chunks: [][]byte{half(0), half(th / 2)}}), pic, 90, false},
	}
}

func tiffSeeds(t testing.TB) (seeds [][]byte) {
	for _, c := range tiffCases(t) {
		seeds = append(seeds, c.bytes)
	}
	return seeds
}

func TestTIFF(t *testing.T) {
	for _, c := range tiffCases(t) {
		t.Run(c.name, func(t *testing.T) {
			pdf, info := write(t, c.bytes, image.Options{})
			if len(info.Pages) != 1 || info.Pages[0].PassedThrough != c.through || len(info.Findings) != 0 {
				t.Errorf("info %+v", info)
			}
			if info.Pages[0].DPIX != 72 {
				t.Errorf("resolution %v", info.Pages[0].DPIX)
			}
			same(t, render(t, pdf, 1, 72), c.want, c.tolerance)
		})
	}
}

// Rows coded by hand in the three one- and two-dimensional ways of Group 3.
func TestFax(t *testing.T) {
	pack := func(s string) []byte {
		s = strings.NewReplacer(" ", "", "E", "000000000001").Replace(s)
		b := make([]byte, (len(s)+7)/8)
		for i, c := range s {
			if c == '1' {
				b[i/8] |= 0x80 >> (i % 8)
			}
		}
		return b
	}
	want := stdimage.NewGray(stdimage.Rect(0, 0, 8, 3))
	for y := range 3 {
		for x := range 8 {
			if y == 0 || x < 2 || x > 4 {
				want.SetGray(x, y, color.Gray{255})
			}
		}
	}
	for _, c := range []struct {
		name        string
		compression uint32
		t4          uint32
		bits        string
	}{
		{"one-dimensional", 3, 0, "E 10011 E 0111101000 E 0111101000 EEEEEE"},
		{"two-dimensional", 3, 1, "E1 10011 E1 0111101000 E0 111 E1E1E1E1E1E1"},
		{"aligned", 2, 0, "10011000 0111101000000000 0111101000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := tiffOf(binary.LittleEndian, sheet{tags: tags(256, 8, 257, 3, 258, 1, 259, c.compression, 262, 0, 277, 1, 292, c.t4, 296, 2), chunks: [][]byte{pack(c.bits)}})
			pdf, info := write(t, b, image.Options{})
			if !info.Pages[0].PassedThrough || len(info.Findings) != 0 {
				t.Errorf("info %+v", info)
			}
			same(t, render(t, pdf, 1, 72), want, 0)
		})
	}
}

func TestPages(t *testing.T) {
	page := func(w uint32) sheet {
		return sheet{tags: tags(256, w, 257, 8, 258, 8, 259, 1, 262, 1, 277, 1, 296, 2), chunks: [][]byte{make([]byte, w*8)}}
	}
	preview := page(4)
	preview.tags[254] = []uint32{1}
	_, info := write(t, tiffOf(binary.BigEndian, page(10), preview, page(20), page(30)), image.Options{})
	if len(info.Pages) != 3 || info.Pages[2].Width != 30 || len(info.Findings) != 1 || info.Findings[0].Code != image.Dropped {
		t.Errorf("info %+v", info)
	}
}
