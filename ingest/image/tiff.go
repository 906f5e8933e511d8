package image

import (
	"context"
	"errors"
	"fmt"
)

// Compression schemes of TIFF.
const (
	compNone     = 1
	compRLE      = 2 // modified Huffman, byte-aligned rows
	compG3       = 3
	compG4       = 4
	compLZW      = 5
	compOldJPEG  = 6
	compJPEG     = 7
	compDeflate  = 8
	compPackBits = 32773
	compZip      = 32946 // the older number of deflate
)

// A tiffPage is a directory in terms of pixels.
type tiffPage struct {
	*directory
	width, height   int
	bits, samples   int
	compression     int
	photometric     int
	planes          int // 1, or one for each sample
	predictor       int
	reversed        bool // bits of a byte come least significant first
	t4              int
	extra           []uint64
	chunkW, chunkH  int // of a strip or tile
	across, down    int // chunks
	offsets, counts []uint64
	tables, profile []byte
	palette         []uint64
	place           place
}

func (c *conversion) tiff(ctx context.Context) error {
	t, at, err := openTIFF(c.f, c.size)
	if err != nil {
		return err
	}
	seen := map[int64]bool{}
	for n := 1; at != 0; n++ {
		if seen[at] {
			return fault(Damaged, "the TIFF directories form a circle")
		}
		if seen[at] = true; len(seen) > 2*c.limits.Pages {
			return fault(TooLarge, "more than %d TIFF directories", 2*c.limits.Pages)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		d, next, err := t.directory(at)
		if err == nil {
			err = c.tiffPage(ctx, d)
		}
		if err != nil {
			if f, ok := errors.AsType[*Fault](err); ok && f.Page == 0 {
				f.Page = n
			}
			return err
		}
		at = next
	}
	if len(c.info.Pages) == 0 {
		return fault(Damaged, "TIFF without a page")
	}
	return nil
}

func (c *conversion) tiffPage(ctx context.Context, d *directory) error {
	kind, err := d.num(tagSubfileType, 0)
	if err != nil {
		return err
	}
	if kind&5 != 0 { // a preview or a mask of another page
		c.notice(Dropped, "a preview or mask inside of the TIFF file is not part of the rendition")
		return nil
	}
	p, err := readTIFFPage(d)
	if err != nil {
		return err
	}
	if err := c.admit(p.width, p.height, p.bits*p.samples); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	switch p.compression {
	case compRLE, compG3, compG4:
		return c.tiffFax(ctx, p)
	case compJPEG:
		return c.tiffJPEG(ctx, p)
	case compOldJPEG:
		return c.tiffOldJPEG(p)
	}
	return c.tiffRows(ctx, p)
}

func readTIFFPage(d *directory) (*tiffPage, error) {
	p := &tiffPage{directory: d}
	var bits []uint64
	var order, planar, rows, tileW, tileH, unit, orientation int
	var errs []error
	num := func(dst *int, tag uint16, missing int) {
		v, err := d.num(tag, missing)
		*dst = v
		errs = append(errs, err)
	}
	list := func(dst *[]uint64, tag uint16) {
		v, err := d.uints(tag)
		*dst = v
		errs = append(errs, err)
	}
	num(&p.width, tagWidth, 0)
	num(&p.height, tagHeight, 0)
	num(&p.samples, tagSamples, 1)
	num(&p.compression, tagCompression, compNone)
	num(&p.photometric, tagPhotometric, -1)
	num(&p.predictor, tagPredictor, 1)
	num(&p.t4, tagT4Options, 0)
	num(&order, tagFillOrder, 1)
	num(&planar, tagPlanar, 1)
	num(&rows, tagRowsPerStrip, 1<<31-1)
	num(&tileW, tagTileWidth, 0)
	num(&tileH, tagTileHeight, 0)
	num(&unit, tagResolutionUnit, 2)
	num(&orientation, tagOrientation, 1)
	list(&bits, tagBits)
	list(&p.extra, tagExtraSamples)
	list(&p.palette, tagColorMap)
	if p.chunkW, p.chunkH = p.width, min(rows, p.height); tileW > 0 {
		p.chunkW, p.chunkH = tileW, tileH
		list(&p.offsets, tagTileOffsets)
		list(&p.counts, tagTileByteCounts)
	} else {
		list(&p.offsets, tagStripOffsets)
		list(&p.counts, tagStripByteCounts)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.bits = 1
	for i, b := range bits {
		if b != bits[0] || b > 64 {
			return nil, fault(Unsupported, "samples of different depths")
		}
		if i == 0 {
			p.bits = int(b)
		}
	}
	if p.samples < 1 || p.samples > 16 {
		return nil, fault(Unsupported, "TIFF with %d samples a pixel", p.samples)
	}
	if p.photometric < 0 {
		p.photometric = map[int]int{1: 0, 2: 0, 3: 2, 4: 2}[p.samples]
	}
	p.reversed = order == 2
	p.planes = 1
	if planar == 2 {
		p.planes = p.samples
	}
	p.tables, p.profile = d.blob(tagJPEGTables), d.blob(tagICCProfile)
	p.place = place{width: p.width, height: p.height, orientation: orientation}
	switch unit {
	case 2:
		p.place.dpiX, p.place.dpiY = d.rational(tagXResolution), d.rational(tagYResolution)
	case 3:
		p.place.dpiX, p.place.dpiY = d.rational(tagXResolution)*2.54, d.rational(tagYResolution)*2.54
	}
	return p, nil
}

// check compares the layout with the data that are there.
func (p *tiffPage) check() error {
	if p.chunkW <= 0 || p.chunkH <= 0 || p.chunkW > 1<<24 || p.chunkH > 1<<24 {
		return fault(Damaged, "TIFF strips or tiles of %d × %d pixels", p.chunkW, p.chunkH)
	}
	p.across, p.down = (p.width+p.chunkW-1)/p.chunkW, (p.height+p.chunkH-1)/p.chunkH
	n := p.across * p.down * p.planes
	if len(p.offsets) == 1 && len(p.counts) == 0 && n == 1 { // allowed long ago
		p.counts = []uint64{uint64(p.t.size) - min(p.offsets[0], uint64(p.t.size))}
	}
	if len(p.offsets) < n || len(p.counts) < n {
		return fault(Damaged, "TIFF with %d of %d strips or tiles", min(len(p.offsets), len(p.counts)), n)
	}
	if p.across > 4096 {
		return fault(Unsupported, "TIFF with %d tiles side by side", p.across)
	}
	size := uint64(p.t.size)
	for i := range n {
		if p.offsets[i] > size || p.counts[i] > size-p.offsets[i] {
			return fault(Damaged, "strip or tile %d lies outside of the file", i)
		}
	}
	if format, err := p.num(tagSampleFormat, 1); err != nil || format != 1 && format != 4 {
		return fault(Unsupported, "TIFF samples that are not unsigned integers")
	}
	return nil
}

// base returns how many samples of a pixel are colours, and the PDF colour space.
func (c *conversion) base(p *tiffPage) (channels int, space string, err error) {
	switch p.photometric {
	case 0, 1:
		channels = 1
	case 2:
		channels = 3
	case 3:
		n := 1 << p.bits
		if p.bits > 8 || len(p.palette) != 3*n {
			return 0, "", fault(Damaged, "TIFF palette of %d values", len(p.palette))
		}
		rgb := make([]byte, 0, 3*n)
		for i := range n {
			rgb = append(rgb, byte(p.palette[i]>>8), byte(p.palette[n+i]>>8), byte(p.palette[2*n+i]>>8))
		}
		return 1, fmt.Sprintf("[/Indexed /DeviceRGB %d <%X>]", n-1, rgb), p.enough(1)
	case 5:
		if ink, err := p.num(tagInkSet, 1); err != nil || ink != 1 {
			return 0, "", fault(Unsupported, "TIFF with inks other than CMYK")
		}
		channels = 4
	default:
		return 0, "", fault(Unsupported, "TIFF colours of kind %d", p.photometric)
	}
	if err := p.enough(channels); err != nil {
		return 0, "", err
	}
	space, err = c.space(channels, p.profile)
	return channels, space, err
}

func (p *tiffPage) enough(channels int) error {
	if p.samples < channels {
		return fault(Damaged, "TIFF with %d samples a pixel, where its colours need %d", p.samples, channels)
	}
	return nil
}
