package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/color"
	"testing"
)

// bitmapFile builds a BMP of 2 × 2 pixels with a header of 40 bytes, or of 12.
func bitmapFile(depth uint16, packing uint32, behind, pixels []byte) []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	b.WriteString("BM")
	binary.Write(&b, le, []uint32{uint32(54 + len(behind) + len(pixels)), 0, uint32(54 + len(behind)), 40, 2, 2})
	binary.Write(&b, le, []uint16{1, depth})
	binary.Write(&b, le, []uint32{packing, uint32(len(pixels)), 2835, 2835, 0, 0})
	b.Write(behind)
	b.Write(pixels)
	return b.Bytes()
}

// The rows of a BMP go up: the picture is red and green over blue and white.
func TestBMP(t *testing.T) {
	colours := []byte{0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0} // red, green, blue, white as BGR0
	palette8 := append(colours, make([]byte, 4*252)...)
	palette4 := append(colours[:16:16], make([]byte, 4*12)...)
	masks := make([]byte, 12)
	binary.LittleEndian.PutUint32(masks, 0xF800)
	binary.LittleEndian.PutUint32(masks[4:], 0x7E0)
	binary.LittleEndian.PutUint32(masks[8:], 0x1F)
	os2 := append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x26\x00\x00\x00\x0C\x00\x00\x00\x02\x00\x02\x00\x01\x00\x04\x00"),
		0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255)
	os2 = append(os2, make([]byte, 3*12)...)
	os2[10] = byte(len(os2))
	os2 = append(os2, 0x23, 0, 0, 0, 0x01, 0, 0, 0)
	tests := []struct {
		name string
		file []byte
		bad  string // the code of the fault
	}{
		{"16 bits", bitmapFile(16, 0, nil, []byte{0x1F, 0, 0xFF, 0x7F, 0, 0x7C, 0xE0, 0x03}), ""},
		{"16 bits with masks", bitmapFile(16, 3, masks, []byte{0x1F, 0, 0xFF, 0xFF, 0, 0xF8, 0xE0, 0x07}), ""},
		{"runs of 8 bits", bitmapFile(8, 1, palette8, []byte{1, 2, 1, 3, 0, 0, 1, 0, 1, 1, 0, 1}), ""},
		{"runs of 4 bits", bitmapFile(4, 2, palette4, []byte{2, 0x23, 0, 0, 2, 0x01, 0, 1}), ""},
		{"of OS/2", os2, ""},
		{"cut off", bitmapFile(16, 0, nil, []byte{0x1F, 0, 0xFF, 0x7F, 0, 0x7C}), Damaged},
		{"a run too long", bitmapFile(8, 1, palette8, []byte{200, 1}), Damaged},
		{"no mask", bitmapFile(16, 3, make([]byte, 12), make([]byte, 8)), Unsupported},
		{"no colour of that number", bitmapFile(4, 2, nil, nil), Damaged},
	}
	want := [2][2]color.NRGBA{{{255, 0, 0, 255}, {0, 255, 0, 255}}, {{0, 0, 255, 255}, {255, 255, 255, 255}}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := bytes.NewReader(tt.file)
			b, err := readBitmap(r)
			if err == nil {
				m, derr := b.decode(r, int64(len(tt.file)))
				if err = derr; err == nil && tt.bad == "" {
					for y := range 2 {
						for x := range 2 {
							if got := m.At(x, y); got != want[y][x] {
								t.Errorf("%d,%d: %v, want %v", x, y, got, want[y][x])
							}
						}
					}
				}
			}
			var f *Fault
			if errors.As(err, &f); (tt.bad == "") != (err == nil) || tt.bad != "" && (f == nil || f.Code != tt.bad) {
				t.Errorf("%v, want %q", err, tt.bad)
			}
		})
	}
}

func FuzzBMP(f *testing.F) {
	f.Add(bitmapFile(8, 1, make([]byte, 1024), []byte{1, 2, 0, 0, 0, 2, 1, 1, 0, 3, 1, 2, 3, 0, 0, 1}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bytes.NewReader(raw)
		if b, err := readBitmap(r); err == nil && b.width*b.height < 1<<20 {
			_, _ = b.decode(r, int64(len(raw)))
		}
	})
}
