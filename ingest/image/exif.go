package image

import "encoding/binary"

type exif struct {
	orientation int
	dpiX, dpiY  float64
}

// readEXIF reads orientation and resolution from the first directory of an
// EXIF block, which is a small TIFF file. What it cannot read is left out.
func readEXIF(b []byte) (e exif) {
	if len(b) < 14 {
		return e
	}
	var o binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		o = binary.BigEndian
	}
	at := int64(o.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return e
	}
	rational := func(entry []byte) float64 {
		v := int64(o.Uint32(entry[8:]))
		if o.Uint16(entry[2:]) != 5 || v+8 > int64(len(b)) || o.Uint32(b[v+4:]) == 0 {
			return 0
		}
		return float64(o.Uint32(b[v:])) / float64(o.Uint32(b[v+4:]))
	}
	unit := uint16(2)
	for i := range int64(o.Uint16(b[at:])) {
		p := at + 2 + 12*i
		if p+12 > int64(len(b)) {
			break
		}
		entry := b[p : p+12]
		switch o.Uint16(entry) {
		case 0x0112:
			e.orientation = int(o.Uint16(entry[8:]))
		case 0x011A:
			e.dpiX = rational(entry)
		case 0x011B:
			e.dpiY = rational(entry)
		case 0x0128:
			unit = o.Uint16(entry[8:])
		}
	}
	if unit == 3 { // per centimetre
		e.dpiX, e.dpiY = e.dpiX*2.54, e.dpiY*2.54
	}
	return e
}
