package image

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	stdimage "image"
	stdjpeg "image/jpeg"
	"io"
	"math/bits"

	"golang.org/x/image/tiff/lzw"

	"bestand/ingest/image/ccitt"
)

// Chunk rows: the rows of one strip or tile, from the top.
type chunkRows interface {
	Row(p []byte) error
}

// rows yields the rows of the page, all samples of a pixel side by side, 16-bit
// samples in the order of PDF (big end first). The slice is reused.
func (p *tiffPage) rows(ctx context.Context, open func(index int) (chunkRows, error), yield func([]byte) error) error {
	sampleBits := p.bits * p.samples / p.planes // a pixel of one plane
	if p.across > 1 && p.chunkW*sampleBits%8 != 0 {
		return fault(Unsupported, "TIFF tiles that do not end at a byte")
	}
	if p.planes > 1 && p.bits%8 != 0 {
		return fault(Unsupported, "TIFF planes of %d bits", p.bits)
	}
	chunk := make([]byte, (p.chunkW*sampleBits+7)/8)
	plane := make([]byte, len(chunk)*p.across)
	full := make([]byte, (p.width*p.bits*p.samples+7)/8)
	readers := make([]chunkRows, p.across*p.planes)
	for y := range p.height {
		if y%p.chunkH == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			for i := range readers {
				index := (i/p.across)*p.across*p.down + y/p.chunkH*p.across + i%p.across
				r, err := open(index)
				if err != nil {
					return err
				}
				readers[i] = r
			}
		}
		for k := range p.planes {
			for x := range p.across {
				if err := readers[k*p.across+x].Row(chunk); err != nil {
					if err == io.EOF || err == io.ErrUnexpectedEOF {
						return fault(Damaged, "row %d: the data end too early", y)
					}
					return fault(Damaged, "row %d: %v", y, err)
				}
				p.restore(chunk, p.samples/p.planes)
				copy(plane[x*len(chunk):], chunk)
			}
			if p.planes == 1 {
				copy(full, plane)
				continue
			}
			n := p.bits / 8
			for x := range p.width {
				copy(full[(x*p.samples+k)*n:(x*p.samples+k)*n+n], plane[x*n:])
			}
		}
		if err := yield(full); err != nil {
			return err
		}
	}
	return nil
}

// restore undoes the differencing predictor (TIFF 6.0, 14) and the byte order.
func (p *tiffPage) restore(b []byte, samples int) {
	switch p.compression {
	case compRLE, compG3, compG4, compJPEG:
		return
	}
	if p.bits == 16 {
		little := p.t.o.Uint16([]byte{1, 0}) == 1
		if little {
			for i := 0; i+1 < len(b); i += 2 {
				b[i], b[i+1] = b[i+1], b[i]
			}
		}
		if p.predictor == 2 {
			for i := 2 * samples; i+1 < len(b); i += 2 {
				j := i - 2*samples
				v := uint16(b[i])<<8 + uint16(b[i+1]) + uint16(b[j])<<8 + uint16(b[j+1])
				b[i], b[i+1] = byte(v>>8), byte(v)
			}
		}
		return
	}
	if p.predictor == 2 {
		for i := samples; i < len(b); i++ {
			b[i] += b[i-samples]
		}
	}
}

// section reads the stored bytes of a chunk, most significant bit first.
func (p *tiffPage) section(index int) io.Reader {
	var r io.Reader = io.NewSectionReader(p.t.r, int64(p.offsets[index]), int64(p.counts[index]))
	if p.reversed && p.compression != compJPEG {
		r = reverser{r}
	}
	return r
}

type reverser struct{ r io.Reader }

func (r reverser) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	for i := range b[:n] {
		b[i] = bits.Reverse8(b[i])
	}
	return n, err
}

// open returns the rows of a chunk that is packed without regard to pixels.
func (p *tiffPage) open(index int) (chunkRows, error) {
	r := bufio.NewReader(p.section(index))
	switch p.compression {
	case compNone:
		return plain{r}, nil
	case compLZW:
		return plain{lzw.NewReader(r, lzw.MSB, 8)}, nil
	case compDeflate, compZip:
		z, err := zlib.NewReader(r)
		if err != nil {
			return nil, fault(Damaged, "strip or tile %d: %v", index, err)
		}
		return plain{z}, nil
	case compPackBits:
		return plain{&packBits{r: r}}, nil
	}
	return nil, fault(Unsupported, "TIFF compression %d", p.compression)
}

type plain struct{ r io.Reader }

func (p plain) Row(b []byte) error {
	_, err := io.ReadFull(p.r, b)
	return err
}

// packBits is TIFF 6.0, 9.
type packBits struct {
	r    *bufio.Reader
	n    int // bytes left of the current run
	same bool
	b    byte
}

func (p *packBits) Read(dst []byte) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	for p.n == 0 {
		h, err := p.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch v := int(int8(h)); {
		case v >= 0:
			p.n, p.same = v+1, false
		case v > -128:
			if p.b, err = p.r.ReadByte(); err != nil {
				return 0, err
			}
			p.n, p.same = 1-v, true
		}
	}
	n := min(p.n, len(dst))
	if !p.same {
		k, err := p.r.Read(dst[:n])
		p.n -= k
		return k, err
	}
	for i := range n {
		dst[i] = p.b
	}
	p.n -= n
	return n, nil
}

// fax returns the rows of a CCITT chunk.
func (p *tiffPage) fax(index int) (chunkRows, error) {
	return ccitt.NewDecoder(p.section(index), p.coding(), p.chunkW)
}

func (p *tiffPage) coding() ccitt.Coding {
	return ccitt.Coding{
		Group4:  p.compression == compG4,
		TwoDim:  p.compression == compG3 && p.t4&1 != 0,
		Aligned: p.compression == compRLE,
		NoEOL:   p.compression == compRLE,
	}
}

// jpegRows are the rows of a chunk that was decoded as a whole.
type jpegRows struct {
	img stdimage.Image
	l   layer
	y   int
}

func (p *tiffPage) openJPEG(index int) (chunkRows, error) {
	j, err := readJPEG(p.jpegData(index))
	if err != nil {
		return nil, err
	}
	if j.width > p.chunkW || j.height > (p.chunkH+15)/16*16 { // what the limits did not foresee
		return nil, fault(Damaged, "strip or tile %d has %d × %d pixels", index, j.width, j.height)
	}
	img, err := stdjpeg.Decode(p.jpegData(index))
	if err != nil {
		return nil, fault(Damaged, "strip or tile %d: %v", index, err)
	}
	l, _ := layers(img)
	if _, ok := img.(*stdimage.CMYK); ok || l.channels != p.samples || img.Bounds().Dx() < p.chunkW {
		return nil, fault(Unsupported, "strip or tile %d does not fit the page", index)
	}
	return &jpegRows{img: img, l: l}, nil
}

func (r *jpegRows) Row(b []byte) error {
	bounds := r.img.Bounds()
	if r.y >= bounds.Dy() {
		return io.EOF
	}
	row := make([]byte, bounds.Dx()*r.l.channels)
	r.l.row(bounds.Min.Y+r.y, row)
	copy(b, row)
	r.y++
	return nil
}

// jpegData puts the shared tables, and where the colours are RGB a marker that
// says so, before the data of a chunk (TIFF Technical Note 2).
func (p *tiffPage) jpegData(index int) io.Reader {
	var head bytes.Buffer
	head.WriteString("\xFF\xD8")
	if p.photometric == 2 {
		head.WriteString("\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00\x00")
	}
	tables := bytes.TrimPrefix(p.tables, []byte("\xFF\xD8"))
	head.Write(bytes.TrimSuffix(tables, []byte("\xFF\xD9")))
	data := p.section(index)
	soi := make([]byte, 2)
	if _, err := io.ReadFull(data, soi); err != nil || soi[0] != 0xFF || soi[1] != 0xD8 {
		head.Reset() // and let the parser complain
		head.Write(soi)
	}
	return io.MultiReader(&head, data)
}
