package image

import (
	"encoding/binary"
	"math"
	"sync"
)

// SRGB returns an ICC profile of sRGB (IEC 61966-2-1), version 2.1, made here
// from the published figures and therefore free of anybody's rights. The
// caller must not change it.
var SRGB = sync.OnceValue(func() []byte {
	curve := make([]byte, 12+2*1024)
	copy(curve, "curv")
	binary.BigEndian.PutUint32(curve[8:], 1024)
	for i := range 1024 {
		v := float64(i) / 1023
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		binary.BigEndian.PutUint16(curve[12+2*i:], uint16(math.Round(v*65535)))
	}
	return iccProfile("mntr", "RGB ", "XYZ ", "sRGB IEC61966-2.1", []iccTag{
		{"rXYZ", xyz(0.43607, 0.22249, 0.01392)}, // adapted to D50 (Bradford)
		{"gXYZ", xyz(0.38515, 0.71687, 0.09708)},
		{"bXYZ", xyz(0.14307, 0.06061, 0.71410)},
		{"rTRC", curve}, {"gTRC", curve}, {"bTRC", curve},
	})
})

// genericCMYK returns an input profile for CMYK images that carry none. It
// takes the inks as ideal, R = (1-C)(1-K) and so on, as most viewers do with
// DeviceCMYK, which PDF/A allows only under a CMYK output intent
// (ISO 19005-2, 6.2.4.3).
var genericCMYK = sync.OnceValue(func() []byte {
	const grid = 9
	t := make([]byte, 52, 52+2*(2*4+3*grid*grid*grid*grid+2*3))
	copy(t, "mft2")
	t[8], t[9], t[10] = 4, 3, grid
	for i := range 3 { // identity matrix, s15Fixed16
		binary.BigEndian.PutUint32(t[12+16*i:], 0x10000)
	}
	binary.BigEndian.PutUint16(t[48:], 2) // entries of the input curves
	binary.BigEndian.PutUint16(t[50:], 2) // and of the output curves
	for range 4 {
		t = append(t, 0, 0, 0xFF, 0xFF)
	}
	step := func(i int) float64 { return 1 - float64(i)/(grid-1) }
	for c := range grid {
		for m := range grid {
			for y := range grid {
				for k := range grid {
					l, a, b := lab(step(c)*step(k), step(m)*step(k), step(y)*step(k))
					t = binary.BigEndian.AppendUint16(t, uint16(math.Round(l*652.8))) // ICC.1 6.3.4.2, 16 bit legacy
					t = binary.BigEndian.AppendUint16(t, uint16(math.Round((a+128)*256)))
					t = binary.BigEndian.AppendUint16(t, uint16(math.Round((b+128)*256)))
				}
			}
		}
	}
	for range 3 {
		t = append(t, 0, 0, 0xFF, 0xFF)
	}
	return iccProfile("scnr", "CMYK", "Lab ", "Generic CMYK, ideal inks", []iccTag{{"A2B0", t}})
})

// lab converts sRGB to CIE L*a*b* under D50.
func lab(r, g, b float64) (float64, float64, float64) {
	lin := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	r, g, b = lin(r), lin(g), lin(b)
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.43607*r + 0.38515*g + 0.14307*b) / 0.9642)
	y := f(0.22249*r + 0.71687*g + 0.06061*b)
	z := f((0.01392*r + 0.09708*g + 0.71410*b) / 0.8249)
	return 116*y - 16, 500 * (x - y), 200 * (y - z)
}

type iccTag struct {
	sig  string
	data []byte
}

// iccProfile lays out a version 2.1 profile (ICC.1:2001-04). Tags of the same
// bytes share them.
func iccProfile(class, space, pcs, name string, tags []iccTag) []byte {
	tags = append([]iccTag{
		{"desc", textDescription(name)},
		{"cprt", append([]byte("text\x00\x00\x00\x00No copyright, use freely"), 0)},
		{"wtpt", xyz(0.9642, 1, 0.8249)},
	}, tags...)
	b := make([]byte, 128, 4096)
	binary.BigEndian.PutUint32(b[8:], 0x02100000)
	copy(b[12:], class)
	copy(b[16:], space)
	copy(b[20:], pcs)
	for i, v := range []uint16{2026, 1, 1} {
		binary.BigEndian.PutUint16(b[24+2*i:], v)
	}
	copy(b[36:], "acsp")
	copy(b[68:], xyz(0.9642, 1, 0.8249)[8:]) // illuminant D50
	b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
	table := len(b)
	b = append(b, make([]byte, 12*len(tags))...)
	var last []byte
	var at int
	for i, t := range tags {
		if last == nil || &last[0] != &t.data[0] {
			for len(b)%4 != 0 {
				b = append(b, 0)
			}
			at, last = len(b), t.data
			b = append(b, t.data...)
		}
		e := b[table+12*i:]
		copy(e, t.sig)
		binary.BigEndian.PutUint32(e[4:], uint32(at))
		binary.BigEndian.PutUint32(e[8:], uint32(len(t.data)))
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func xyz(v ...float64) []byte {
	b := []byte("XYZ \x00\x00\x00\x00")
	for _, f := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(f*65536))))
	}
	return b
}

// textDescription is ICC.1:2001-04, 6.5.17, with its empty Unicode and ScriptCode parts.
func textDescription(s string) []byte {
	b := []byte("desc\x00\x00\x00\x00")
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)+1))
	b = append(b, s...)
	return append(b, make([]byte, 1+4+4+2+1+67)...)
}

// usableProfile reports whether an embedded profile may stand in PDF/A-2 for
// an image of so many components (ISO 19005-2, 6.2.4.2; ISO 32000-1, 8.6.5.5).
func usableProfile(b []byte, components int) bool {
	if len(b) < 132 || int(binary.BigEndian.Uint32(b)) > len(b) || b[8] < 2 || b[8] > 4 || string(b[36:40]) != "acsp" {
		return false
	}
	switch string(b[12:16]) {
	case "scnr", "mntr", "prtr", "spac":
	default:
		return false
	}
	switch string(b[16:20]) {
	case "GRAY":
		return components == 1
	case "RGB ", "Lab ":
		return components == 3
	case "CMYK":
		return components == 4
	}
	return false
}
