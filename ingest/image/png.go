package image

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"hash/crc32"
	stdpng "image/png"
	"io"
)

// A pngInfo is what the chunks of a PNG file say (ISO/IEC 15948).
type pngInfo struct {
	width, height int
	depth, colour byte
	interlaced    bool
	palette       []byte
	transparent   bool // a tRNS chunk is there
	dpiX, dpiY    float64
	orientation   int
	profile       []byte
	data          [][2]int64 // offset and length of the IDAT chunks
}

func (p *pngInfo) channels() int {
	switch p.colour {
	case 2:
		return 3
	case 4:
		return 2
	case 6:
		return 4
	}
	return 1
}

func (p *pngInfo) bitsPerPixel() int { return p.channels() * int(p.depth) }

// readPNG walks the chunks and checks their sums.
func readPNG(src io.ReadSeeker) (pngInfo, error) {
	var p pngInfo
	r := bufio.NewReaderSize(src, 64<<10)
	if _, err := r.Discard(8); err != nil {
		return p, fault(Damaged, "no PNG signature")
	}
	at := int64(8)
	for n := 0; ; n++ {
		if n > 1<<20 {
			return p, fault(TooLarge, "more than a million PNG chunks")
		}
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return p, fault(Damaged, "the PNG data end too early")
		}
		size, kind := int64(beUint32(head[:])), string(head[4:])
		if size > 1<<31-1 || (n == 0) != (kind == "IHDR") {
			return p, fault(Damaged, "PNG chunk %q out of place", kind)
		}
		sum := crc32.NewIEEE()
		sum.Write(head[4:])
		var body bytes.Buffer
		dst := io.Writer(sum)
		if kept[kind] && size <= 4<<20 {
			dst = io.MultiWriter(sum, &body)
		}
		var crc [4]byte
		if _, err := io.CopyN(dst, r, size); err != nil {
			return p, fault(Damaged, "the PNG data end too early")
		}
		if _, err := io.ReadFull(r, crc[:]); err != nil || beUint32(crc[:]) != sum.Sum32() {
			return p, fault(Damaged, "wrong check sum of PNG chunk %q", kind)
		}
		if kind == "IDAT" {
			p.data = append(p.data, [2]int64{at + 8, size})
		}
		at += size + 12
		if kind == "IEND" {
			if len(p.data) == 0 {
				return p, fault(Damaged, "PNG without image data")
			}
			return p, nil
		}
		if err := p.chunk(kind, body.Bytes()); err != nil {
			return p, err
		}
	}
}

var kept = map[string]bool{"IHDR": true, "PLTE": true, "pHYs": true, "iCCP": true, "eXIf": true}

func (p *pngInfo) chunk(kind string, b []byte) error {
	switch kind {
	case "IHDR":
		if len(b) != 13 || b[10] != 0 || b[11] != 0 || b[12] > 1 {
			return fault(Damaged, "PNG header out of the standard")
		}
		p.width, p.height = int(int32(beUint32(b))), int(int32(beUint32(b[4:])))
		p.depth, p.colour, p.interlaced = b[8], b[9], b[12] == 1
		legal := map[byte]string{0: "\x01\x02\x04\x08\x10", 2: "\x08\x10", 3: "\x01\x02\x04\x08", 4: "\x08\x10", 6: "\x08\x10"}
		if bytes.IndexByte([]byte(legal[p.colour]), p.depth) < 0 {
			return fault(Damaged, "PNG colour type %d with %d bits", p.colour, p.depth)
		}
	case "PLTE":
		if len(b)%3 != 0 || len(b) == 0 || len(b) > 768 {
			return fault(Damaged, "PNG palette of %d bytes", len(b))
		}
		p.palette = bytes.Clone(b)
	case "tRNS":
		p.transparent = true
	case "pHYs":
		if len(b) == 9 && b[8] == 1 { // per metre
			p.dpiX, p.dpiY = float64(beUint32(b))*0.0254, float64(beUint32(b[4:]))*0.0254
		}
	case "eXIf":
		p.orientation = readEXIF(b).orientation
	case "iCCP":
		if _, z, ok := bytes.Cut(b, []byte{0}); ok && len(z) > 1 {
			p.profile = inflateProfile(z[1:])
		}
	}
	return nil
}

// inflateProfile returns nothing when the profile is damaged or absurdly long:
// the image is worth more than its profile.
func inflateProfile(b []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	const most = 4 << 20
	p, err := io.ReadAll(io.LimitReader(z, most+1))
	if err != nil || len(p) > most {
		return nil
	}
	return p
}

func (c *conversion) png() error {
	p, err := readPNG(c.reader())
	if err != nil {
		return err
	}
	if err := c.admit(p.width, p.height, p.bitsPerPixel()); err != nil {
		return err
	}
	at := place{width: p.width, height: p.height, dpiX: p.dpiX, dpiY: p.dpiY, orientation: p.orientation}
	if p.colour < 4 && !p.transparent && !p.interlaced {
		return c.throughPNG(p, at)
	}
	if err := c.fits(p.width, p.height, 2*max(4, p.bitsPerPixel()/8)); err != nil {
		return err
	}
	img, err := stdpng.Decode(bufio.NewReader(c.reader()))
	if err != nil {
		return fault(Damaged, "%v", err)
	}
	if p.colour != 2 && p.colour != 6 {
		p.profile = nil // of a gray image or palette, which becomes RGB
	}
	return c.raster(img, p.profile, at)
}

// throughPNG writes the image data as they are: the filters of PNG are those
// of FlateDecode's predictor 15.
func (c *conversion) throughPNG(p pngInfo, at place) error {
	row := (p.width*p.bitsPerPixel() + 7) / 8
	if err := c.tryPNG(p, row); err != nil {
		return err
	}
	n := p.channels()
	colours := n
	if p.colour == 3 {
		colours = 3
	}
	space, err := c.space(colours, p.profile)
	if err != nil {
		return err
	}
	if p.colour == 3 {
		if len(p.palette) == 0 {
			return fault(Damaged, "PNG without its palette")
		}
		space = fmt.Sprintf("[/Indexed %s %d <%X>]", space, min(len(p.palette)/3, 1<<p.depth)-1, p.palette[:min(len(p.palette), 3<<p.depth)])
	}
	id := c.doc.reserve()
	dict := imageDict(p.width, p.height, int(p.depth), space) +
		fmt.Sprintf("/Filter/FlateDecode/DecodeParms<</Predictor 15/Colors %d/BitsPerComponent %d/Columns %d>>", n, p.depth, p.width)
	if err := c.doc.stream(id, dict, func(w io.Writer) error {
		_, err := io.Copy(w, c.idat(p))
		return err
	}); err != nil {
		return err
	}
	return c.add(id, at, true)
}

func (c *conversion) idat(p pngInfo) io.Reader {
	rs := make([]io.Reader, len(p.data))
	for i, d := range p.data {
		rs[i] = io.NewSectionReader(c.f, d[0], d[1])
	}
	return io.MultiReader(rs...)
}

// tryPNG unpacks once, to know that every row is there and not more.
func (c *conversion) tryPNG(p pngInfo, row int) error {
	z, err := zlib.NewReader(bufio.NewReader(c.idat(p)))
	if err != nil {
		return fault(Damaged, "PNG data: %v", err)
	}
	b := make([]byte, 1+row)
	for y := range p.height {
		if _, err := io.ReadFull(z, b); err != nil {
			return fault(Damaged, "PNG row %d: %v", y, err)
		}
		if b[0] > 4 {
			return fault(Damaged, "PNG row %d: filter %d", y, b[0])
		}
		if p.colour == 3 && p.depth == 8 && b[0] == 0 && len(p.palette) < 768 {
			for _, v := range b[1:] {
				if 3*int(v) >= len(p.palette) {
					return fault(Damaged, "PNG row %d: colour outside of the palette", y)
				}
			}
		}
	}
	switch n, err := z.Read(b[:1]); {
	case n > 0:
		return fault(Damaged, "PNG data go on behind the last row")
	case err != nil && !errors.Is(err, io.EOF):
		return fault(Damaged, "PNG data: %v", err)
	}
	return nil
}
