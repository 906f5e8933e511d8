package image

import (
	"encoding/binary"
	"io"
	"math"
)

// Tags of TIFF 6.0 that matter here.
const (
	tagSubfileType     = 254
	tagWidth           = 256
	tagHeight          = 257
	tagBits            = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamples         = 277
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagXResolution     = 282
	tagYResolution     = 283
	tagPlanar          = 284
	tagT4Options       = 292
	tagResolutionUnit  = 296
	tagPredictor       = 317
	tagJPEGData        = 513
	tagJPEGLength      = 514
	tagColorMap        = 320
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagInkSet          = 332
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagJPEGTables      = 347
	tagICCProfile      = 34675
)

// A tiffFile reads directories of TIFF 6.0 and of BigTIFF.
type tiffFile struct {
	r    io.ReaderAt
	size int64
	o    binary.ByteOrder
	big  bool
}

// A directory is one page: entries by tag.
type directory struct {
	t       *tiffFile
	entries map[uint16]entry
}

type entry struct {
	kind  uint16
	count int64
	at    int64 // offset of the values
}

// sizes of the types of TIFF, by type.
var typeSize = [...]int64{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

const maxValues = 1 << 20 // of one entry

func openTIFF(r io.ReaderAt, size int64) (*tiffFile, int64, error) {
	t := &tiffFile{r: r, size: size, o: binary.LittleEndian}
	b, err := t.bytes(0, 8)
	if err != nil {
		return nil, 0, err
	}
	if b[0] == 'M' {
		t.o = binary.BigEndian
	}
	if t.o.Uint16(b[2:]) != 43 {
		return t, int64(t.o.Uint32(b[4:])), nil
	}
	t.big = true
	if b, err = t.bytes(8, 8); err != nil {
		return nil, 0, err
	}
	first, err := offset(t.o.Uint64(b))
	return t, first, err
}

func offset(v uint64) (int64, error) {
	if v > math.MaxInt64 {
		return 0, fault(Damaged, "TIFF offset out of range")
	}
	return int64(v), nil
}

func (t *tiffFile) bytes(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > t.size || n > t.size-at {
		return nil, fault(Damaged, "a TIFF entry points outside of the file")
	}
	b := make([]byte, n)
	if _, err := t.r.ReadAt(b, at); err != nil {
		return nil, fault(Damaged, "TIFF: %v", err)
	}
	return b, nil
}

// directory reads the directory at an offset and returns that of the next, 0 at the end.
func (t *tiffFile) directory(at int64) (*directory, int64, error) {
	head, each, link := int64(2), int64(12), int64(4)
	if t.big {
		head, each, link = 8, 20, 8
	}
	b, err := t.bytes(at, head)
	if err != nil {
		return nil, 0, err
	}
	n := int64(t.o.Uint16(b))
	if t.big {
		n = int64(min(t.o.Uint64(b), 1<<16))
	}
	if n == 0 || n > 4096 {
		return nil, 0, fault(Damaged, "TIFF directory of %d entries", n)
	}
	if b, err = t.bytes(at+head, n*each); err != nil {
		return nil, 0, err
	}
	d := &directory{t: t, entries: map[uint16]entry{}}
	for i := range n {
		e, inline := b[i*each:(i+1)*each], at+head+i*each+8
		var v entry
		v.kind = t.o.Uint16(e[2:])
		if t.big {
			if v.count, err = offset(t.o.Uint64(e[4:])); err != nil {
				return nil, 0, err
			}
			inline += 4
		} else {
			v.count = int64(t.o.Uint32(e[4:]))
		}
		if int(v.kind) >= len(typeSize) || typeSize[v.kind] == 0 || v.count > t.size {
			continue // an unknown type, or a count that cannot be
		}
		if v.at = inline; v.count*typeSize[v.kind] > link {
			if t.big {
				v.at = int64(min(t.o.Uint64(e[12:]), math.MaxInt64))
			} else {
				v.at = int64(t.o.Uint32(e[8:]))
			}
		}
		d.entries[t.o.Uint16(e)] = v
	}
	if b, err = t.bytes(at+head+n*each, link); err != nil {
		return d, 0, nil // the last directory of a careless writer
	}
	if t.big {
		next, err := offset(t.o.Uint64(b))
		return d, next, err
	}
	return d, int64(t.o.Uint32(b)), nil
}

// uints reads all values of an entry; nothing when it is missing.
func (d *directory) uints(tag uint16) ([]uint64, error) {
	e, ok := d.entries[tag]
	if !ok {
		return nil, nil
	}
	if e.count > maxValues {
		return nil, fault(TooLarge, "TIFF tag %d with %d values", tag, e.count)
	}
	size := typeSize[e.kind]
	b, err := d.t.bytes(e.at, e.count*size)
	if err != nil {
		return nil, err
	}
	v := make([]uint64, e.count)
	for i := range v {
		p := b[int64(i)*size:]
		switch size {
		case 1:
			v[i] = uint64(p[0])
		case 2:
			v[i] = uint64(d.t.o.Uint16(p))
		case 4:
			v[i] = uint64(d.t.o.Uint32(p))
		default:
			v[i] = d.t.o.Uint64(p)
		}
	}
	return v, nil
}

// num reads one small number.
func (d *directory) num(tag uint16, missing int) (int, error) {
	v, err := d.uints(tag)
	if err != nil || len(v) == 0 {
		return missing, err
	}
	if v[0] > math.MaxInt32 {
		return math.MaxInt32, nil // such as RowsPerStrip 2^32-1: all of them
	}
	return int(v[0]), nil
}

// rational reads a resolution; 0 when it is missing or makes no sense.
func (d *directory) rational(tag uint16) float64 {
	e, ok := d.entries[tag]
	if !ok || e.kind != 5 || e.count < 1 {
		return 0
	}
	b, err := d.t.bytes(e.at, 8)
	if err != nil || d.t.o.Uint32(b[4:]) == 0 {
		return 0
	}
	return float64(d.t.o.Uint32(b)) / float64(d.t.o.Uint32(b[4:]))
}

// blob reads the bytes of an entry; nothing when it is missing or absurdly long.
func (d *directory) blob(tag uint16) []byte {
	e, ok := d.entries[tag]
	if !ok || typeSize[e.kind] != 1 || e.count > 4<<20 {
		return nil
	}
	b, err := d.t.bytes(e.at, e.count)
	if err != nil {
		return nil
	}
	return b
}
