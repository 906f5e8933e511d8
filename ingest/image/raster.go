package image

import (
	"bufio"
	"encoding/binary"
	"fmt"
	stdimage "image"
	"image/color"
	"image/draw"
	stdgif "image/gif"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// gif writes the first frame. What moves cannot be kept on paper.
func (c *conversion) gif() error {
	cfg, err := stdgif.DecodeConfig(c.reader())
	if err != nil {
		return fault(Damaged, "%v", err)
	}
	if err := c.whole(cfg, 5); err != nil {
		return err
	}
	img, err := stdgif.Decode(bufio.NewReader(c.reader()))
	if err != nil {
		return fault(Damaged, "%v", err)
	}
	if n := gifFrames(c.reader()); n != 1 {
		c.notice(Dropped, "only the first frame is part of the rendition")
	}
	img = onScreen(img, cfg.Width, cfg.Height)
	return c.raster(img, nil, place{width: cfg.Width, height: cfg.Height})
}

// onScreen puts a frame at its place on the screen of a GIF (GIF89a, 18), the rest
// of which shows what is behind.
func onScreen(frame stdimage.Image, width, height int) stdimage.Image {
	screen := stdimage.Rect(0, 0, width, height)
	if frame.Bounds() == screen {
		return frame
	}
	whole := stdimage.NewNRGBA(screen)
	draw.Draw(whole, frame.Bounds(), frame, frame.Bounds().Min, draw.Src)
	return whole
}

func (c *conversion) bmp() error {
	img, err := c.decodeBMP()
	if err != nil {
		return err
	}
	b := img.Bounds()
	at := place{width: b.Dx(), height: b.Dy()}
	head := make([]byte, 46)
	if _, err := c.f.ReadAt(head, 0); err == nil && binary.LittleEndian.Uint32(head[14:]) >= 40 { // pixels a metre
		at.dpiX = float64(binary.LittleEndian.Uint32(head[38:])) * 0.0254
		at.dpiY = float64(binary.LittleEndian.Uint32(head[42:])) * 0.0254
	}
	return c.raster(img, nil, at)
}

func (c *conversion) decodeBMP() (stdimage.Image, error) {
	cfg, err := bmp.DecodeConfig(c.reader())
	if err == bmp.ErrUnsupported {
		b, err := readBitmap(c.f)
		if err != nil {
			return nil, err
		}
		if err := c.whole(stdimage.Config{Width: b.width, Height: b.height}, 4); err != nil {
			return nil, err
		}
		return b.decode(c.f, c.size)
	}
	if err != nil {
		return nil, decoderFault(err)
	}
	if err := c.whole(cfg, 4); err != nil {
		return nil, err
	}
	img, err := bmp.Decode(bufio.NewReader(c.reader()))
	if err != nil {
		return nil, decoderFault(err)
	}
	return img, nil
}

func (c *conversion) webp() error {
	cfg, err := webp.DecodeConfig(c.reader())
	if err != nil {
		return decoderFault(err)
	}
	if err := c.whole(cfg, 8); err != nil {
		return err
	}
	// The frame inside may claim another size than the canvas.
	if w, h := webpFrame(c.reader()); w > cfg.Width || h > cfg.Height {
		return fault(Damaged, "a frame of %d × %d pixels on a canvas of %d × %d", w, h, cfg.Width, cfg.Height)
	}
	img, err := webp.Decode(bufio.NewReader(c.reader()))
	if err != nil {
		return decoderFault(err)
	}
	b := img.Bounds()
	return c.raster(img, nil, place{width: b.Dx(), height: b.Dy()})
}

// webpFrame reads the size of the first VP8 or VP8L frame; zeros when there is none.
func webpFrame(src io.ReadSeeker) (w, h int) {
	if _, err := src.Seek(12, io.SeekStart); err != nil {
		return 0, 0
	}
	var b [18]byte
	for range 100 {
		if _, err := io.ReadFull(src, b[:8]); err != nil {
			return 0, 0
		}
		size := int64(binary.LittleEndian.Uint32(b[4:]))
		switch string(b[:4]) {
		case "VP8 ":
			if _, err := io.ReadFull(src, b[8:18]); err != nil {
				return 0, 0
			}
			return int(binary.LittleEndian.Uint16(b[14:]) & 0x3FFF), int(binary.LittleEndian.Uint16(b[16:]) & 0x3FFF)
		case "VP8L":
			if _, err := io.ReadFull(src, b[8:13]); err != nil {
				return 0, 0
			}
			v := binary.LittleEndian.Uint32(b[9:])
			return int(v&0x3FFF) + 1, int(v>>14&0x3FFF) + 1
		}
		if _, err := src.Seek(size+size&1, io.SeekCurrent); err != nil {
			return 0, 0
		}
	}
	return 0, 0
}

func decoderFault(err error) error {
	if err == bmp.ErrUnsupported {
		return fault(Unsupported, "%v", err)
	}
	return fault(Damaged, "%v", err)
}

// whole checks an image that is decoded as a whole.
func (c *conversion) whole(cfg stdimage.Config, bytesPerPixel int) error {
	if err := c.admit(cfg.Width, cfg.Height, 32); err != nil {
		return err
	}
	return c.fits(cfg.Width, cfg.Height, bytesPerPixel)
}

// gifFrames counts image blocks (GIF89a, 20) up to two; 0 when it cannot tell.
func gifFrames(src io.Reader) int {
	r := bufio.NewReader(src)
	skipTable := func(flags byte) error {
		if flags&0x80 != 0 {
			_, err := r.Discard(3 << (flags&7 + 1))
			return err
		}
		return nil
	}
	head := make([]byte, 13)
	if _, err := io.ReadFull(r, head); err != nil || skipTable(head[10]) != nil {
		return 0
	}
	for n := 0; ; {
		kind, err := r.ReadByte()
		if err != nil || n > 1 {
			return n
		}
		switch kind {
		case 0x2C:
			n++
			d := make([]byte, 9)
			if _, err := io.ReadFull(r, d); err != nil || skipTable(d[8]) != nil {
				return n
			}
		case 0x21:
		default:
			return n
		}
		if _, err := r.Discard(1); err != nil { // label or code size
			return n
		}
		for {
			size, err := r.ReadByte()
			if err != nil || size == 0 {
				break
			}
			if _, err := r.Discard(int(size)); err != nil {
				return n
			}
		}
	}
}

// A layer is one image object: rows of so many channels and bits.
type layer struct {
	channels, bits int
	row            func(y int, dst []byte)
}

// raster writes a decoded image at its own depth, with its alpha channel as a
// soft mask.
func (c *conversion) raster(img stdimage.Image, profile []byte, at place) error {
	b := img.Bounds()
	colours, alpha := layers(img)
	space := ""
	if p, ok := img.(*stdimage.Paletted); ok && alpha == nil {
		space = indexed(p.Palette)
	} else {
		var err error
		if space, err = c.space(colours.channels, profile); err != nil {
			return err
		}
	}
	mask := ""
	if alpha != nil {
		id := c.doc.reserve()
		if err := c.layer(id, *alpha, b, imageDict(b.Dx(), b.Dy(), alpha.bits, "/DeviceGray")); err != nil {
			return err
		}
		mask = fmt.Sprintf("/SMask %d 0 R", id)
	}
	id := c.doc.reserve()
	if err := c.layer(id, colours, b, imageDict(b.Dx(), b.Dy(), colours.bits, space)+mask); err != nil {
		return err
	}
	return c.add(id, at, false)
}

func (c *conversion) layer(id int, l layer, b stdimage.Rectangle, dict string) error {
	return c.packed(id, dict, l.channels, l.bits, b.Dx(), func(row func([]byte) error) error {
		buf := make([]byte, b.Dx()*l.channels*l.bits/8)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			l.row(y, buf)
			if err := row(buf); err != nil {
				return err
			}
		}
		return nil
	})
}

// packed writes an image object through FlateDecode with the predictors of PNG.
func (c *conversion) packed(id int, dict string, channels, bits, columns int, rows func(func([]byte) error) error) error {
	dict += fmt.Sprintf("/DecodeParms<</Predictor 15/Colors %d/BitsPerComponent %d/Columns %d>>", channels, bits, columns)
	return c.doc.deflate(id, dict, func(w io.Writer) error {
		p := newPredictor(w, (columns*channels*bits+7)/8, channels*bits/8)
		return rows(p.row)
	})
}

func indexed(p color.Palette) string {
	s := make([]byte, 0, 3*len(p))
	for _, c := range p {
		r, g, b, _ := c.RGBA()
		s = append(s, byte(r>>8), byte(g>>8), byte(b>>8))
	}
	if len(s) == 0 {
		s = []byte{0, 0, 0}
	}
	return fmt.Sprintf("[/Indexed /DeviceRGB %d <%X>]", len(s)/3-1, s)
}

// layers splits an image into colours and, if it is not opaque, alpha.
func layers(img stdimage.Image) (colours layer, alpha *layer) {
	b := img.Bounds()
	opaque := false
	if o, ok := img.(interface{ Opaque() bool }); ok {
		opaque = o.Opaque()
	}
	switch m := img.(type) {
	case *stdimage.Gray:
		return layer{1, 8, func(y int, d []byte) { copy(d, m.Pix[m.PixOffset(b.Min.X, y):]) }}, nil
	case *stdimage.Gray16:
		return layer{1, 16, func(y int, d []byte) { copy(d, m.Pix[m.PixOffset(b.Min.X, y):]) }}, nil
	case *stdimage.Paletted:
		if opaque {
			return layer{1, 8, func(y int, d []byte) { copy(d, m.Pix[m.PixOffset(b.Min.X, y):]) }}, nil
		}
	case *stdimage.NRGBA64, *stdimage.RGBA64:
		at := func(x, y int) color.NRGBA64 { return color.NRGBA64Model.Convert(img.At(x, y)).(color.NRGBA64) }
		colours = layer{3, 16, func(y int, d []byte) {
			for x := b.Min.X; x < b.Max.X; x++ {
				p, o := at(x, y), 6*(x-b.Min.X)
				d[o], d[o+1], d[o+2], d[o+3], d[o+4], d[o+5] = byte(p.R>>8), byte(p.R), byte(p.G>>8), byte(p.G), byte(p.B>>8), byte(p.B)
			}
		}}
		if !opaque {
			alpha = &layer{1, 16, func(y int, d []byte) {
				for x := b.Min.X; x < b.Max.X; x++ {
					a := at(x, y).A
					d[2*(x-b.Min.X)], d[2*(x-b.Min.X)+1] = byte(a>>8), byte(a)
				}
			}}
		}
		return colours, alpha
	}
	at := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA) }
	if m, ok := img.(*stdimage.NRGBA); ok {
		at = m.NRGBAAt
	}
	colours = layer{3, 8, func(y int, d []byte) {
		for x := b.Min.X; x < b.Max.X; x++ {
			p, o := at(x, y), 3*(x-b.Min.X)
			d[o], d[o+1], d[o+2] = p.R, p.G, p.B
		}
	}}
	if !opaque {
		alpha = &layer{1, 8, func(y int, d []byte) {
			for x := b.Min.X; x < b.Max.X; x++ {
				d[x-b.Min.X] = at(x, y).A
			}
		}}
	}
	return colours, alpha
}
