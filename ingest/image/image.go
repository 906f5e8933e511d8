package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"bestand/preservation"
)

// Options of a rendition. The zero value is usable.
type Options struct {
	Title  string   // in the metadata of the file
	Words  [][]Word // recognised text of each page, laid over it invisibly; see OCR
	Limits Limits
}

// Limits bounds what an image may ask for. Zero fields take the defaults.
type Limits struct {
	Pages  int   // default 5,000
	Page   int64 // bytes of one page unpacked; default 1 GiB
	Total  int64 // bytes of all pages unpacked; default 16 GiB
	Memory int64 // bytes of an image that must be decoded as a whole; default 256 MiB
}

func (l Limits) withDefaults() Limits {
	set := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Pages <= 0 {
		l.Pages = 5000
	}
	set(&l.Page, 1<<30)
	set(&l.Total, 16<<30)
	set(&l.Memory, 256<<20)
	return l
}

// Info says what was written.
type Info struct {
	Pages    []Page
	Findings []preservation.Finding // notices: what a person may want to know
}

// Page is one page of the rendition.
type Page struct {
	Width, Height int     // pixels as stored
	DPIX, DPIY    float64 //
	Orientation   int     // EXIF and TIFF: 1 is upright
	PassedThrough bool    // the coded data are those of the source, unchanged
}

// Write reads the image at src and writes it to w as PDF/A-2b. What was
// written before an error is of no use. The error is a *Fault when the image
// itself is the reason.
func Write(ctx context.Context, w io.Writer, src string, o Options) (Info, error) {
	f, err := os.Open(src)
	if err != nil {
		return Info{}, fmt.Errorf("image: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("image: %w", err)
	}
	c := &conversion{f: f, size: st.Size(), o: o, limits: o.Limits.withDefaults()}
	if err := c.run(ctx, w); err != nil {
		return Info{}, fmt.Errorf("image: %w", err)
	}
	return c.info, nil
}

// A conversion is one run of Write.
type conversion struct {
	f      *os.File
	size   int64
	o      Options
	limits Limits
	doc    *document
	total  int64
	info   Info
}

func (c *conversion) run(ctx context.Context, w io.Writer) (err error) {
	defer func() {
		if v := recover(); v != nil { // of a decoder below, on bytes nobody thought of
			err = fault(Damaged, "the decoder gave up: %v", v)
		}
	}()
	head := make([]byte, 16)
	n, err := c.f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	c.doc = newDocument(ctxWriter{ctx, w}, c.o.Title)
	switch {
	case bytes.HasPrefix(head, []byte("\xFF\xD8\xFF")):
		err = c.jpeg()
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1A\n")):
		err = c.png()
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")),
		bytes.HasPrefix(head, []byte("II+\x00")), bytes.HasPrefix(head, []byte("MM\x00+")):
		err = c.tiff(ctx)
	case bytes.HasPrefix(head, []byte("GIF8")):
		err = c.gif()
	case bytes.HasPrefix(head, []byte("BM")):
		err = c.bmp()
	case bytes.HasPrefix(head, []byte("RIFF")) && len(head) >= 12 && string(head[8:12]) == "WEBP":
		err = c.webp()
	default:
		return fault(Unsupported, "neither TIFF, JPEG, PNG, GIF, BMP nor WebP")
	}
	if err != nil {
		return err
	}
	return c.doc.finish()
}

// reader reads the file from its start.
func (c *conversion) reader() io.ReadSeeker { return io.NewSectionReader(c.f, 0, c.size) }

// admit checks a page against the limits before anything is unpacked.
func (c *conversion) admit(width, height int, bitsPerPixel int) error {
	if width <= 0 || height <= 0 {
		return fault(Damaged, "%d × %d pixels", width, height)
	}
	bytes := (int64(width)*int64(bitsPerPixel) + 7) / 8
	if width > 1<<24 || height > 1<<24 || bytes > c.limits.Page/int64(height) {
		return fault(TooLarge, "%d × %d pixels of %d bits; at most %d bytes a page are unpacked", width, height, bitsPerPixel, c.limits.Page)
	}
	if c.total += bytes * int64(height); c.total > c.limits.Total {
		return fault(TooLarge, "more than %d bytes in all pages", c.limits.Total)
	}
	if len(c.info.Pages) >= c.limits.Pages {
		return fault(TooLarge, "more than %d pages", c.limits.Pages)
	}
	return nil
}

// fits checks an image that must be in memory as a whole.
func (c *conversion) fits(width, height, bytesPerPixel int) error {
	if int64(width)*int64(height) > c.limits.Memory/int64(bytesPerPixel) {
		return fault(TooLarge, "%d × %d pixels; at most %d bytes are decoded in memory", width, height, c.limits.Memory)
	}
	return nil
}

// add puts the image object on a page of its own.
func (c *conversion) add(object int, p place, through bool) error {
	p.dpiX, p.dpiY = resolution(p.dpiX, p.dpiY)
	if p.orientation < 1 || p.orientation > 8 {
		p.orientation = 1
	}
	var words []Word
	if n := len(c.info.Pages); n < len(c.o.Words) && p.orientation == 1 {
		words = c.o.Words[n]
	}
	c.info.Pages = append(c.info.Pages, Page{Width: p.width, Height: p.height, DPIX: p.dpiX, DPIY: p.dpiY,
		Orientation: p.orientation, PassedThrough: through})
	return c.doc.page(object, p, words)
}

func (c *conversion) notice(code, format string, args ...any) {
	c.info.Findings = append(c.info.Findings, preservation.Finding{Code: code, Severity: preservation.Notice,
		Subject: fmt.Sprintf("page %d", len(c.info.Pages)+1), Detail: fmt.Sprintf(format, args...)})
}

const defaultDPI = 96 // for images that do not say

// resolution replaces what cannot be meant.
func resolution(x, y float64) (float64, float64) {
	sane := func(v float64) bool { return !math.IsNaN(v) && v >= 10 && v <= 20000 }
	switch {
	case sane(x) && sane(y):
		return x, y
	case sane(x):
		return x, x
	case sane(y):
		return y, y
	}
	return defaultDPI, defaultDPI
}

// A ctxWriter ends the work of others when the context has ended.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

func (w ctxWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(b)
}

// imageDict begins the dictionary of an image object.
func imageDict(width, height, bits int, space string) string {
	return fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent %d/ColorSpace %s", width, height, bits, space)
}

// space names the colour space of so many components: the embedded profile if
// it is usable, the device space that the output intent covers else.
func (c *conversion) space(components int, profile []byte) (string, error) {
	if len(profile) > 0 {
		if usableProfile(profile, components) {
			id, err := c.doc.profile(profile[:beUint32(profile)], components)
			return fmt.Sprintf("[/ICCBased %d 0 R]", id), err
		}
		c.notice(Dropped, "the embedded colour profile is not usable and was left out")
	}
	switch components {
	case 1:
		return "/DeviceGray", nil
	case 3:
		return "/DeviceRGB", nil
	}
	id, err := c.doc.profile(genericCMYK(), 4)
	return fmt.Sprintf("[/ICCBased %d 0 R]", id), err
}
