package image

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	stdjpeg "image/jpeg"
	"io"
	"sort"
)

// A jpegInfo is what the markers of a JPEG file say (ITU-T T.81, Annex B).
type jpegInfo struct {
	width, height int
	components    int
	ids           [4]byte
	progressive   bool
	adobe         bool // an APP14 marker is there
	transform     byte // of APP14: 0 none, 1 YCbCr, 2 YCCK
	jfif          bool
	dpiX, dpiY    float64
	orientation   int
	profile       []byte
	end           int64 // offset behind the end of the image
}

func beUint32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// readJPEG walks the markers up to the end of the image.
func readJPEG(src io.Reader) (jpegInfo, error) {
	r := &countingReader{r: bufio.NewReaderSize(src, 64<<10)}
	var j jpegInfo
	icc := map[byte][]byte{}
	iccSize := 0
	if b, err := r.take(2); err != nil || b[0] != 0xFF || b[1] != 0xD8 {
		return j, fault(Damaged, "no JPEG start marker")
	}
	for {
		m, err := r.marker()
		if err != nil {
			return j, fault(Damaged, "the JPEG data end too early")
		}
		switch {
		case m == 0xD9: // EOI
			j.end = r.n
			if j.components == 0 {
				return j, fault(Damaged, "no frame in the JPEG data")
			}
			j.profile = join(icc)
			return j, nil
		case m == 0x01 || m >= 0xD0 && m <= 0xD8: // no payload
			continue
		}
		l, err := r.take(2)
		if err != nil || binary.BigEndian.Uint16(l) < 2 {
			return j, fault(Damaged, "a JPEG segment without length")
		}
		n := int(binary.BigEndian.Uint16(l)) - 2
		b, err := r.take(n)
		if err != nil {
			return j, fault(Damaged, "the JPEG data end too early")
		}
		switch {
		case m >= 0xC0 && m <= 0xCF && m != 0xC4 && m != 0xC8 && m != 0xCC:
			if m > 0xC2 {
				return j, fault(Unsupported, "JPEG process SOF%d: PDF knows baseline, extended and progressive", m-0xC0)
			}
			if err := j.frame(b, m == 0xC2); err != nil {
				return j, err
			}
		case m == 0xE0 && bytes.HasPrefix(b, []byte("JFIF\x00")) && len(b) >= 12:
			j.jfif = true
			j.density(b[7], float64(binary.BigEndian.Uint16(b[8:])), float64(binary.BigEndian.Uint16(b[10:])))
		case m == 0xE1 && bytes.HasPrefix(b, []byte("Exif\x00\x00")):
			e := readEXIF(b[6:])
			j.orientation = e.orientation
			if j.dpiX == 0 {
				j.dpiX, j.dpiY = e.dpiX, e.dpiY
			}
		case m == 0xE2 && bytes.HasPrefix(b, []byte("ICC_PROFILE\x00")) && len(b) > 14:
			if iccSize += len(b) - 14; iccSize <= 4<<20 {
				icc[b[12]] = bytes.Clone(b[14:])
			}
		case m == 0xEE && bytes.HasPrefix(b, []byte("Adobe")) && len(b) >= 12:
			j.adobe, j.transform = true, b[11]
		}
	}
}

func (j *jpegInfo) frame(b []byte, progressive bool) error {
	if j.components != 0 {
		return fault(Unsupported, "several frames in one JPEG image")
	}
	if len(b) < 6 || len(b) < 6+3*int(b[5]) {
		return fault(Damaged, "a JPEG frame without its components")
	}
	if b[0] != 8 {
		return fault(Unsupported, "JPEG with %d bits a sample: PDF knows 8", b[0])
	}
	j.progressive = progressive
	j.height, j.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if j.height == 0 {
		return fault(Unsupported, "JPEG without a height in its frame")
	}
	switch b[5] {
	case 1, 3, 4:
		j.components = int(b[5])
	default:
		return fault(Unsupported, "JPEG with %d components", b[5])
	}
	for i := range j.components {
		j.ids[i] = b[6+3*i]
	}
	return nil
}

func (j *jpegInfo) density(unit byte, x, y float64) {
	switch unit {
	case 1:
		j.dpiX, j.dpiY = x, y
	case 2: // per centimetre
		j.dpiX, j.dpiY = x*2.54, y*2.54
	}
}

// colour gives the entries of the image dictionary that the coding of colours
// asks for. Adobe's CMYK is inverted. Three components are taken for YCbCr by
// PDF unless Adobe's marker or ColorTransform says otherwise (ISO 32000-1, table 13).
func (j *jpegInfo) colour() string {
	if j.components == 4 && j.adobe {
		return "/Decode[1 0 1 0 1 0 1 0]"
	}
	if j.components == 3 && !j.adobe && !j.jfif && string(j.ids[:3]) == "RGB" {
		return "/DecodeParms<</ColorTransform 0>>"
	}
	return ""
}

func (c *conversion) jpeg() error {
	j, err := readJPEG(c.reader())
	if err != nil {
		return err
	}
	if err := c.admit(j.width, j.height, 8*j.components); err != nil {
		return err
	}
	if j.end < c.size {
		c.notice(Dropped, "%d bytes behind the end of the JPEG image are not part of the rendition", c.size-j.end)
	}
	if err := c.tryJPEG(j, c.reader()); err != nil {
		return err
	}
	return c.throughJPEG(j, io.NewSectionReader(c.f, 0, j.end),
		place{width: j.width, height: j.height, dpiX: j.dpiX, dpiY: j.dpiY, orientation: j.orientation})
}

// tryJPEG decodes once for nothing else than to know that it can be done.
func (c *conversion) tryJPEG(j jpegInfo, r io.Reader) error {
	per := j.components
	if j.progressive {
		per *= 5 // the decoder keeps all coefficients
	}
	if c.fits(j.width, j.height, per) != nil {
		c.notice(NotVerified, "the JPEG data are too large for a trial decoding")
		return nil
	}
	_, err := stdjpeg.Decode(r)
	var unknown stdjpeg.UnsupportedError
	switch {
	case errors.As(err, &unknown):
		c.notice(NotVerified, "the JPEG data use a feature that the trial decoder lacks: %v", err)
	case err != nil:
		return fault(Damaged, "%v", err)
	}
	return nil
}

// throughJPEG writes JPEG data as they are.
func (c *conversion) throughJPEG(j jpegInfo, r io.Reader, p place) error {
	space, err := c.space(j.components, j.profile)
	if err != nil {
		return err
	}
	id := c.doc.reserve()
	dict := imageDict(j.width, j.height, 8, space) + "/Filter/DCTDecode" + j.colour()
	if err := c.doc.stream(id, dict, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	}); err != nil {
		return err
	}
	return c.add(id, p, true)
}

// join puts the chunks of a profile in order; nothing when one is missing.
func join(chunks map[byte][]byte) []byte {
	var keys []int
	for k := range chunks {
		keys = append(keys, int(k))
	}
	sort.Ints(keys)
	var b []byte
	for i, k := range keys {
		if k != i+1 {
			return nil
		}
		b = append(b, chunks[byte(k)]...)
	}
	return b
}

// A countingReader knows how far it has read.
type countingReader struct {
	r   *bufio.Reader
	n   int64
	buf []byte
}

// take returns the next n bytes, valid until the next call.
func (r *countingReader) take(n int) ([]byte, error) {
	if cap(r.buf) < n {
		r.buf = make([]byte, max(n, 1<<16))
	}
	k, err := io.ReadFull(r.r, r.buf[:n])
	r.n += int64(k)
	return r.buf[:n], err
}

// marker skips entropy-coded data and fill bytes up to the next marker that is
// not a restart.
func (r *countingReader) marker() (byte, error) {
	ff := false
	for {
		b, err := r.r.ReadByte()
		if err != nil {
			return 0, fmt.Errorf("marker: %w", err)
		}
		r.n++
		switch {
		case b == 0xFF:
			ff = true
		case ff && b != 0 && (b < 0xD0 || b > 0xD7):
			return b, nil
		default:
			ff = false
		}
	}
}
