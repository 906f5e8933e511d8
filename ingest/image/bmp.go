package image

import (
	"bufio"
	"encoding/binary"
	"errors"
	stdimage "image"
	"image/color"
	"io"
	"math/bits"
)

// bitmap is the header of a Windows bitmap of the kinds that the library does not
// read: 16 bits a pixel, colours at places of their own, run lengths ([MS-WMF]
// 2.2.2.9 and 2.1.1.7).
type bitmap struct {
	width, height int
	upright       bool // the first row is the topmost
	depth         int  // bits of a pixel
	packing       uint32
	masks         [3]uint32 // of red, green and blue
	palette       []color.NRGBA
	at            int64 // of the pixels
}

const (
	packedNot   = 0
	packedRLE8  = 1
	packedRLE4  = 2
	packedMasks = 3
)

func readBitmap(r io.ReaderAt) (b bitmap, err error) {
	head := make([]byte, 66) // of the file, of the bitmap, and three masks, which stand behind the shortest header, too
	if n, err := r.ReadAt(head, 0); err != nil && (!errors.Is(err, io.EOF) || n < 40) {
		return b, fault(Damaged, "the BMP ends in its header")
	}
	at, size := binary.LittleEndian.Uint32(head[10:]), binary.LittleEndian.Uint32(head[14:])
	width, height := int32(binary.LittleEndian.Uint32(head[18:])), int32(binary.LittleEndian.Uint32(head[22:]))
	b = bitmap{width: int(width), height: int(height), depth: int(binary.LittleEndian.Uint16(head[28:])),
		packing: binary.LittleEndian.Uint32(head[30:]), at: int64(at)}
	entry := 4      // bytes of a colour of the palette
	if size == 12 { // of OS/2
		b.width, b.height = int(binary.LittleEndian.Uint16(head[18:])), int(binary.LittleEndian.Uint16(head[20:]))
		b.depth, b.packing, entry = int(binary.LittleEndian.Uint16(head[24:])), packedNot, 3
	}
	if b.height < 0 {
		b.height, b.upright = -b.height, true
	}
	if size < 40 && size != 12 || size > 1024 || b.width <= 0 || b.height == 0 {
		return b, fault(Unsupported, "a BMP with a header of %d bytes and %d × %d pixels", size, b.width, b.height)
	}
	switch {
	case b.packing == packedNot && b.depth == 24:
	case b.packing == packedNot && b.depth == 16:
		b.masks = [3]uint32{0x7C00, 0x3E0, 0x1F}
	case b.packing == packedMasks && (b.depth == 16 || b.depth == 32):
		for i := range b.masks {
			b.masks[i] = binary.LittleEndian.Uint32(head[54+4*i:])
			if b.masks[i] == 0 {
				return b, fault(Unsupported, "a BMP without a mask for each colour")
			}
		}
	case b.packing == packedNot && (b.depth == 1 || b.depth == 2 || b.depth == 4 || b.depth == 8), b.packing == packedRLE8 && b.depth == 8, b.packing == packedRLE4 && b.depth == 4:
		n := 1 << b.depth
		if used := binary.LittleEndian.Uint32(head[46:]); size >= 40 && used > 0 && used < 256 {
			n = int(used)
		}
		raw := make([]byte, entry*n)
		if _, err := r.ReadAt(raw, 14+int64(size)); err != nil {
			return b, fault(Damaged, "the BMP ends in its palette")
		}
		for ; len(raw) > 0; raw = raw[entry:] {
			b.palette = append(b.palette, color.NRGBA{raw[2], raw[1], raw[0], 255})
		}
	default:
		return b, fault(Unsupported, "a BMP with %d bits a pixel, packed in the way %d", b.depth, b.packing)
	}
	return b, nil
}

func (b bitmap) decode(r io.ReaderAt, size int64) (stdimage.Image, error) {
	m := stdimage.NewNRGBA(stdimage.Rect(0, 0, b.width, b.height))
	in := bufio.NewReader(io.NewSectionReader(r, b.at, max(size-b.at, 0)))
	if b.packing == packedRLE8 || b.packing == packedRLE4 {
		return m, b.runs(m, in)
	}
	row := make([]byte, (b.width*b.depth+31)/32*4)
	for y := range b.height {
		if _, err := io.ReadFull(in, row); err != nil {
			return nil, fault(Damaged, "the BMP ends in row %d of %d", y, b.height)
		}
		for x := range b.width {
			var c color.NRGBA
			switch b.depth {
			case 16:
				c = b.masked(uint32(binary.LittleEndian.Uint16(row[2*x:])))
			case 24:
				c = color.NRGBA{row[3*x+2], row[3*x+1], row[3*x], 255}
			case 32:
				c = b.masked(binary.LittleEndian.Uint32(row[4*x:]))
			default:
				at := x * b.depth
				index := int(row[at/8]>>(8-b.depth-at%8)) & (1<<b.depth - 1)
				if index >= len(b.palette) {
					return nil, fault(Damaged, "the BMP has no colour %d", index)
				}
				c = b.palette[index]
			}
			m.SetNRGBA(x, b.row(y), c)
		}
	}
	return m, nil
}

func (b bitmap) row(y int) int {
	if b.upright {
		return y
	}
	return b.height - 1 - y
}

// masked takes the colours out of a pixel.
func (b bitmap) masked(v uint32) color.NRGBA {
	var c [3]byte
	for i, mask := range b.masks {
		shift := bits.TrailingZeros32(mask)
		c[i] = byte(uint64(v&mask>>shift) * 255 / uint64(mask>>shift))
	}
	return color.NRGBA{c[0], c[1], c[2], 255}
}

// runs reads run lengths. What they pass over has the first colour.
func (b bitmap) runs(m *stdimage.NRGBA, in *bufio.Reader) error {
	for i := range b.width * b.height {
		m.SetNRGBA(i%b.width, i/b.width, b.palette[0])
	}
	x, y := 0, 0
	put := func(index byte) error {
		if x >= b.width || y >= b.height || int(index) >= len(b.palette) {
			return fault(Damaged, "a run of the BMP lies outside of the picture")
		}
		m.SetNRGBA(x, b.row(y), b.palette[index])
		x++
		return nil
	}
	// nth is the nth pixel of the bytes of a run.
	nth := func(n int, value byte) byte {
		switch {
		case b.depth == 8:
			return value
		case n%2 == 0:
			return value >> 4
		}
		return value & 15
	}
	var pair [2]byte
	for {
		if _, err := io.ReadFull(in, pair[:]); err != nil {
			return fault(Damaged, "the BMP ends in its row %d of %d", y, b.height)
		}
		n, value := int(pair[0]), pair[1]
		switch {
		case n > 0:
			for i := range n {
				if err := put(nth(i, value)); err != nil {
					return err
				}
			}
		case value == 0:
			x, y = 0, y+1
		case value == 1:
			return nil
		case value == 2:
			if _, err := io.ReadFull(in, pair[:]); err != nil {
				return fault(Damaged, "the BMP ends in its row %d of %d", y, b.height)
			}
			x, y = x+int(pair[0]), y+int(pair[1])
		default: // so many pixels as they are, in whole words
			size := (int(value)*b.depth + 15) / 16 * 2
			raw := make([]byte, size)
			if _, err := io.ReadFull(in, raw); err != nil {
				return fault(Damaged, "the BMP ends in its row %d of %d", y, b.height)
			}
			for i := range int(value) {
				if err := put(nth(i, raw[i*b.depth/8])); err != nil {
					return err
				}
			}
		}
	}
}
