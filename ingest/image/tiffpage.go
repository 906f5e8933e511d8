package image

import (
	"context"
	"fmt"
	"io"

	"bestand/ingest/image/ccitt"
)

// tiffFax writes a page in one of the fax codings: as it is when it comes in
// one piece, joined in Group 4 without loss else.
func (c *conversion) tiffFax(ctx context.Context, p *tiffPage) error {
	if p.bits != 1 || p.samples != 1 || p.photometric > 1 {
		return fault(Damaged, "fax coding of %d × %d bits", p.samples, p.bits)
	}
	if p.compression == compG3 && p.t4&2 != 0 {
		return fault(Unsupported, "TIFF fax pages in uncompressed mode")
	}
	black := ""
	if p.photometric == 1 {
		black = "/BlackIs1 true"
	}
	space, err := c.space(1, nil)
	if err != nil {
		return err
	}
	id := c.doc.reserve()
	dict := func(k int, more string) string {
		return imageDict(p.width, p.height, 1, space) + fmt.Sprintf("/Filter/CCITTFaxDecode/DecodeParms<</K %d/Columns %d/Rows %d/EndOfBlock false%s%s>>",
			k, p.width, p.height, more, black)
	}
	if p.across*p.down == 1 && p.chunkW == p.width {
		if err := c.tryFax(ctx, p); err != nil {
			return err
		}
		k, more := 0, ""
		switch p.compression {
		case compG4:
			k = -1
		case compG3:
			k, more = 4*(p.t4&1), "/EndOfLine true"
		case compRLE:
			more = "/EncodedByteAlign true"
		}
		if err := c.doc.stream(id, dict(k, more), func(w io.Writer) error {
			_, err := io.Copy(w, p.section(0))
			return err
		}); err != nil {
			return err
		}
		return c.add(id, p.place, true)
	}
	if err := c.doc.stream(id, dict(-1, ""), func(w io.Writer) error {
		e := ccitt.NewEncoder(w, p.width)
		if err := p.rows(ctx, p.fax, e.Row); err != nil {
			return err
		}
		return e.Close()
	}); err != nil {
		return err
	}
	return c.add(id, p.place, false)
}

// tryFax decodes once. A fax line may arrive damaged and the page still be
// worth having; in Group 4 everything below the damage is lost.
func (c *conversion) tryFax(ctx context.Context, p *tiffPage) error {
	err := p.rows(ctx, p.fax, func([]byte) error { return nil })
	if err != nil && ctx.Err() == nil && p.compression == compG3 {
		c.notice(NotVerified, "the fax data are damaged: %v", err)
		return nil
	}
	return err
}

// tiffJPEG passes a page through that is one JPEG image, and packs the pixels
// of several again.
func (c *conversion) tiffJPEG(ctx context.Context, p *tiffPage) error {
	if p.planes > 1 || p.bits != 8 {
		return fault(Unsupported, "JPEG in TIFF with %d planes of %d bits", p.planes, p.bits)
	}
	if p.across*p.down == 1 {
		j, err := readJPEG(p.jpegData(0))
		if err != nil {
			return err
		}
		if j.width == p.width && j.height == p.height && j.components == p.samples {
			if err := c.tryJPEG(j, p.jpegData(0)); err != nil {
				return err
			}
			if j.profile = p.profile; j.components == 4 {
				j.adobe = false // TIFF states the ink, not its absence
			}
			if p.photometric == 0 {
				return fault(Unsupported, "JPEG in TIFF whose white is 0")
			}
			return c.throughJPEG(j, io.LimitReader(p.jpegData(0), j.end), p.place)
		}
	}
	if err := c.fits(p.chunkW, p.chunkH, 2*p.samples*p.across); err != nil {
		return err
	}
	channels, space, err := 0, "", error(nil)
	switch p.photometric {
	case 1:
		channels = 1
	case 2, 6:
		channels = 3
	}
	if channels == 0 || channels != p.samples {
		return fault(Unsupported, "JPEG in TIFF of several pieces with colours of kind %d", p.photometric)
	}
	if space, err = c.space(channels, p.profile); err != nil {
		return err
	}
	id := c.doc.reserve()
	if err := c.packed(id, imageDict(p.width, p.height, 8, space), channels, 8, p.width, func(row func([]byte) error) error {
		return p.rows(ctx, p.openJPEG, row)
	}); err != nil {
		return err
	}
	return c.add(id, p.place, false)
}

// tiffOldJPEG passes a page through whose JPEG image stands in one piece, as most
// programs wrote it before TIFF knew how to hold JPEG (TIFF 6.0, 22).
func (c *conversion) tiffOldJPEG(p *tiffPage) error {
	at, err := p.num(tagJPEGData, 0)
	if err != nil {
		return err
	}
	length, err := p.num(tagJPEGLength, 0)
	if err != nil {
		return err
	}
	from, n := int64(at), int64(length)
	if from == 0 && p.across*p.down == 1 {
		from, n = int64(p.offsets[0]), int64(p.counts[0])
	}
	if left := p.t.size - from; n <= 0 || n > left {
		n = max(left, 0)
	}
	data := func() io.Reader { return io.NewSectionReader(p.t.r, from, n) }
	j, err := readJPEG(data())
	if err != nil || from == 0 || j.width != p.width || j.height != p.height || j.components != map[int]int{1: 1, 6: 3}[p.photometric] {
		return fault(Unsupported, "JPEG in TIFF in the way of 1992, in pieces")
	}
	if err := c.tryJPEG(j, data()); err != nil {
		return err
	}
	j.profile = p.profile
	return c.throughJPEG(j, io.LimitReader(data(), j.end), p.place)
}

// tiffRows writes a page that is packed without regard to pixels.
func (c *conversion) tiffRows(ctx context.Context, p *tiffPage) error {
	switch p.bits {
	case 1, 2, 4, 8, 16:
	default:
		return fault(Unsupported, "TIFF with %d bits a sample", p.bits)
	}
	if p.predictor != 1 && (p.predictor != 2 || p.bits < 8) {
		return fault(Unsupported, "TIFF predictor %d with %d bits", p.predictor, p.bits)
	}
	channels, space, err := c.base(p)
	if err != nil {
		return err
	}
	more := ""
	if p.photometric == 0 {
		more = "/Decode[1 0]"
	}
	if p.samples > channels {
		if p.bits < 8 {
			return fault(Unsupported, "TIFF with additional samples of %d bits", p.bits)
		}
		mask, err := c.tiffAlpha(ctx, p, channels)
		if err != nil {
			return err
		}
		more += mask
	}
	id := c.doc.reserve()
	if err := c.samples(ctx, id, p, 0, channels, imageDict(p.width, p.height, p.bits, space)+more); err != nil {
		return err
	}
	return c.add(id, p.place, false)
}

// tiffAlpha writes the first additional sample as a soft mask if it says how
// opaque a pixel is (TIFF 6.0, 18).
func (c *conversion) tiffAlpha(ctx context.Context, p *tiffPage, channels int) (string, error) {
	if len(p.extra) == 0 || p.extra[0] != 1 && p.extra[0] != 2 {
		c.notice(Dropped, "additional samples of unknown meaning are not part of the rendition")
		return "", nil
	}
	id := c.doc.reserve()
	err := c.samples(ctx, id, p, channels, 1, imageDict(p.width, p.height, p.bits, "/DeviceGray"))
	return fmt.Sprintf("/SMask %d 0 R", id), err
}

// samples writes n samples of each pixel, beginning with the from-th.
func (c *conversion) samples(ctx context.Context, id int, p *tiffPage, from, n int, dict string) error {
	return c.packed(id, dict, n, p.bits, p.width, func(row func([]byte) error) error {
		if n == p.samples {
			return p.rows(ctx, p.open, row)
		}
		size := p.bits / 8
		some := make([]byte, p.width*n*size)
		return p.rows(ctx, p.open, func(all []byte) error {
			for x := range p.width {
				copy(some[x*n*size:(x+1)*n*size], all[(x*p.samples+from)*size:])
			}
			if from == 0 && len(p.extra) > 0 && p.extra[0] == 1 {
				p.unmultiply(some, all, n)
			}
			return row(some)
		})
	})
}

// unmultiply divides colours by the alpha that they were multiplied with. PDF
// has Matte for this, which too many viewers ignore.
func (p *tiffPage) unmultiply(some, all []byte, n int) {
	size := p.bits / 8
	for x := range p.width {
		a := sample(all[(x*p.samples+n)*size:], size)
		if a == 0 {
			continue
		}
		for k := range n {
			b := some[(x*n+k)*size:]
			most := uint32(1)<<p.bits - 1
			v := min((sample(b, size)*most+a/2)/a, most)
			if size == 2 {
				b[0], b[1] = byte(v>>8), byte(v)
			} else {
				b[0] = byte(v)
			}
		}
	}
}

func sample(b []byte, size int) uint32 {
	if size == 2 {
		return uint32(b[0])<<8 | uint32(b[1])
	}
	return uint32(b[0])
}
