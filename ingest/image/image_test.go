package image_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	stdimage "image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	xtiff "golang.org/x/image/tiff"

	"bestand/ingest/image"
)

// picture has gradients, hard edges and, if asked, transparent parts; nothing
// in it is symmetric.
func picture(w, h int, alpha bool) *stdimage.NRGBA {
	m := stdimage.NewNRGBA(stdimage.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), uint8(255 * (x + y) / (w + h)), 255}
			if x < w/4 && y < h/8 {
				c = color.NRGBA{255, 0, 0, 255}
			}
			if alpha {
				c.A = uint8(255 * (w - x) / w)
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func as[T draw.Image](dst T, src stdimage.Image) T {
	draw.Draw(dst, dst.Bounds(), src, src.Bounds().Min, draw.Src)
	return dst
}

func pngBytes(t testing.TB, m stdimage.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegBytes(t testing.TB, m stdimage.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// onWhite shows a transparent image as a page does.
func onWhite(m stdimage.Image) stdimage.Image {
	d := stdimage.NewNRGBA(m.Bounds())
	draw.Draw(d, d.Bounds(), stdimage.White, stdimage.Point{}, draw.Src)
	draw.Draw(d, d.Bounds(), m, m.Bounds().Min, draw.Over)
	return d
}

type imageCase struct {
	name      string
	bytes     []byte
	want      stdimage.Image
	tolerance float64
	through   bool
}

func imageCases(t testing.TB) []imageCase {
	r := stdimage.Rect(0, 0, 120, 80)
	opaque, clear := picture(120, 80, false), picture(120, 80, true)
	gray := as(stdimage.NewGray(r), opaque)
	paletted := as(stdimage.NewPaletted(r, palette.WebSafe), opaque)
	var gifBuf, bmpBuf, tiffBuf bytes.Buffer
	if err := gif.Encode(&gifBuf, paletted, nil); err != nil {
		t.Fatal(err)
	}
	if err := bmp.Encode(&bmpBuf, opaque); err != nil {
		t.Fatal(err)
	}
	if err := xtiff.Encode(&tiffBuf, clear, &xtiff.Options{Compression: xtiff.Deflate, Predictor: true}); err != nil {
		t.Fatal(err)
	}
	decoded := func(b []byte) stdimage.Image {
		m, _, err := stdimage.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	jpegRGB, jpegGray := jpegBytes(t, opaque), jpegBytes(t, gray)
	return []imageCase{
		{"png rgb", pngBytes(t, as(stdimage.NewRGBA(r), opaque)), opaque, 0, true},
		{"png gray", pngBytes(t, gray), gray, 0, true},
		{"png gray 16", pngBytes(t, as(stdimage.NewGray16(r), gray)), gray, 1, true},
		{"png rgb 16", pngBytes(t, as(stdimage.NewRGBA64(r), opaque)), opaque, 1, true},
		{"png palette", pngBytes(t, paletted), paletted, 0, true},
		{"png palette of two colours", pngBytes(t, as(stdimage.NewPaletted(r, color.Palette{color.Black, color.White}), opaque)), as(stdimage.NewPaletted(r, color.Palette{color.Black, color.White}), opaque), 0, true},
		{"png alpha", pngBytes(t, clear), onWhite(clear), 2, false},
		{"png alpha 16", pngBytes(t, as(stdimage.NewNRGBA64(r), clear)), onWhite(clear), 2, false},
		{"jpeg", jpegRGB, decoded(jpegRGB), 90, true},
		{"jpeg gray", jpegGray, decoded(jpegGray), 3, true},
		{"jpeg cmyk", cmykJPEG(t, opaque), opaque, 60, true},
		{"gif", gifBuf.Bytes(), paletted, 0, false},
		{"bmp", bmpBuf.Bytes(), opaque, 0, false},
		{"tiff alpha", tiffBuf.Bytes(), onWhite(clear), 2, false},
	}
}

// cmykJPEG is made of four scans, each taken from a gray image: the encoder
// uses the same tables for all. The inks are inverted, as Adobe does it.
func cmykJPEG(t testing.TB, m stdimage.Image) []byte {
	var out []byte
	for k := range 4 {
		plane := stdimage.NewGray(m.Bounds())
		for i := range plane.Pix {
			x, y := i%plane.Stride, i/plane.Stride
			r, g, b, _ := m.At(x, y).RGBA()
			plane.Pix[i] = byte([4]uint32{r, g, b, 0xFFFF}[k] >> 8)
		}
		j := jpegBytes(t, plane)
		frame, dht, sos := bytes.Index(j, []byte{0xFF, 0xC0}), bytes.Index(j, []byte{0xFF, 0xC4}), bytes.Index(j, []byte{0xFF, 0xDA})
		if k == 0 {
			head := bytes.Clone(j[frame : frame+9])
			head[3], head = 8+3*4, append(head, 4)
			for id := range byte(4) {
				head = append(head, id+1, 0x11, 0)
			}
			out = bytes.Join([][]byte{j[:2], []byte("\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00\x00"), j[2:frame], head, j[dht:sos]}, nil)
		}
		scan := bytes.Clone(j[sos : len(j)-2])
		scan[5] = byte(k + 1)
		out = append(out, scan...)
	}
	return append(out, 0xFF, 0xD9)
}

func TestWrite(t *testing.T) {
	for _, c := range imageCases(t) {
		t.Run(c.name, func(t *testing.T) {
			pdf, info := write(t, c.bytes, image.Options{Title: "Grüße & <Maße>"})
			if len(info.Pages) != 1 || info.Pages[0].PassedThrough != c.through || len(info.Findings) != 0 {
				t.Errorf("info %+v", info)
			}
			same(t, render(t, pdf, 1, info.Pages[0].DPIX), c.want, c.tolerance)
		})
	}
}

// with puts a chunk behind the header of a PNG, a segment behind the start of a JPEG.
func withChunk(b []byte, kind string, body []byte) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	c = append(append(c, kind...), body...)
	c = binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
	return bytes.Join([][]byte{b[:33], c, b[33:]}, nil)
}

func withSegment(b []byte, marker byte, body []byte) []byte {
	s := append([]byte{0xFF, marker}, byte((len(body)+2)>>8), byte(len(body)+2))
	return bytes.Join([][]byte{b[:2], s, body, b[2:]}, nil)
}

func exifOrientation(n byte) []byte {
	return append([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), n, 0, 0, 0, 0, 0, 0)
}

func TestOrientation(t *testing.T) {
	plain := jpegBytes(t, picture(60, 40, false))
	m, err := jpeg.Decode(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	// Where the pixel shown at x, y stands in the stored image of w × h.
	from := [9]func(x, y, w, h int) (int, int){
		1: func(x, y, w, h int) (int, int) { return x, y },
		2: func(x, y, w, h int) (int, int) { return w - 1 - x, y },
		3: func(x, y, w, h int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y, w, h int) (int, int) { return x, h - 1 - y },
		5: func(x, y, w, h int) (int, int) { return y, x },
		6: func(x, y, w, h int) (int, int) { return y, h - 1 - x },
		7: func(x, y, w, h int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y, w, h int) (int, int) { return w - 1 - y, x },
	}
	for o := 1; o <= 8; o++ {
		pdf, info := write(t, withSegment(plain, 0xE1, exifOrientation(byte(o))), image.Options{})
		if info.Pages[0].Orientation != o {
			t.Errorf("orientation %d read as %d", o, info.Pages[0].Orientation)
		}
		size := stdimage.Rect(0, 0, 60, 40)
		if o > 4 {
			size = stdimage.Rect(0, 0, 40, 60)
		}
		want := stdimage.NewNRGBA(size)
		for y := range size.Dy() {
			for x := range size.Dx() {
				sx, sy := from[o](x, y, 60, 40)
				want.Set(x, y, m.At(sx, sy))
			}
		}
		same(t, render(t, pdf, 1, info.Pages[0].DPIX), want, 90)
	}
}

func TestResolution(t *testing.T) {
	small := pngBytes(t, stdimage.NewGray(stdimage.Rect(0, 0, 300, 150)))
	phys := make([]byte, 9)
	binary.BigEndian.PutUint32(phys, 11811) // 300 dpi
	binary.BigEndian.PutUint32(phys[4:], 5906)
	phys[8] = 1
	_, info := write(t, withChunk(small, "pHYs", phys), image.Options{})
	if p := info.Pages[0]; int(p.DPIX+.5) != 300 || int(p.DPIY+.5) != 150 {
		t.Errorf("resolution %v × %v", p.DPIX, p.DPIY)
	}
	_, info = write(t, small, image.Options{})
	if p := info.Pages[0]; p.DPIX != 96 {
		t.Errorf("default resolution %v", p.DPIX)
	}
	// A very large page.
	phys = []byte{0, 0, 1, 0x8A, 0, 0, 1, 0x8A, 1} // 10 dpi
	pdf, _ := write(t, withChunk(pngBytes(t, stdimage.NewGray(stdimage.Rect(0, 0, 4000, 20))), "pHYs", phys), image.Options{})
	b, err := os.ReadFile(pdf)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("/UserUnit 1.99")) {
		t.Error("page of 4000 inches without a UserUnit")
	}
}

func TestDeterministic(t *testing.T) {
	b := pngBytes(t, picture(50, 50, true))
	one, _ := write(t, b, image.Options{Title: "x"})
	two, _ := write(t, b, image.Options{Title: "x"})
	x, _ := os.ReadFile(one)
	y, _ := os.ReadFile(two)
	if len(x) == 0 || !bytes.Equal(x, y) {
		t.Error("two runs differ")
	}
}

func TestRefused(t *testing.T) {
	good := pngBytes(t, picture(200, 200, false))
	jpg := jpegBytes(t, picture(200, 200, false))
	wide := bytes.Clone(good)
	binary.BigEndian.PutUint32(wide[16:], 1<<30)
	binary.BigEndian.PutUint32(wide[20:], 1<<30)
	binary.BigEndian.PutUint32(wide[29:], crc32.ChecksumIEEE(wide[12:29]))
	tall := bytes.Clone(good)
	binary.BigEndian.PutUint32(tall[20:], 201)
	binary.BigEndian.PutUint32(tall[29:], crc32.ChecksumIEEE(tall[12:29]))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for _, c := range []struct {
		name  string
		bytes []byte
		limit image.Limits
		code  string
	}{
		{"empty", nil, image.Limits{}, image.Unsupported},
		{"text", []byte("hallo"), image.Limits{}, image.Unsupported},
		{"png cut", good[:len(good)/2], image.Limits{}, image.Damaged},
		{"png with a flipped bit", flipped, image.Limits{}, image.Damaged},
		{"png of 2^60 pixels", wide, image.Limits{}, image.TooLarge},
		{"png with a missing row", tall, image.Limits{}, image.Damaged},
		{"png above the limit", good, image.Limits{Page: 1000}, image.TooLarge},
		{"jpeg cut", jpg[:len(jpg)/2], image.Limits{}, image.Damaged},
		{"jpeg above the limit", jpg, image.Limits{Page: 1000}, image.TooLarge},
		{"alpha above the memory limit", pngBytes(t, picture(200, 200, true)), image.Limits{Memory: 1000}, image.TooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := filepath.Join(t.TempDir(), "source")
			if err := os.WriteFile(src, c.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := image.Write(context.Background(), io.Discard, src, image.Options{Limits: c.limit})
			f, ok := errors.AsType[*image.Fault](err)
			if !ok || f.Code != c.code || f.Finding().Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
	src := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(src, good, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := image.Write(ctx, io.Discard, src, image.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := errors.New("disk full")
	if _, err := image.Write(context.Background(), failing{broken}, src, image.Options{}); !errors.Is(err, broken) {
		t.Errorf("full disk: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzWrite(f *testing.F) {
	m := picture(16, 12, false)
	f.Add(pngBytes(f, m))
	f.Add(pngBytes(f, picture(16, 12, true)))
	f.Add(jpegBytes(f, m))
	f.Add([]byte("GIF89a"))
	for _, b := range tiffSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		src := filepath.Join(t.TempDir(), "source")
		if err := os.WriteFile(src, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := image.Write(context.Background(), io.Discard, src, image.Options{Limits: image.Limits{Pages: 10, Page: 1 << 20, Total: 1 << 20, Memory: 1 << 20}})
		if _, ok := errors.AsType[*image.Fault](err); err != nil && !ok {
			t.Errorf("not a fault: %v", err)
		}
	})
}
