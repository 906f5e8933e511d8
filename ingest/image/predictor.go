package image

import "io"

// A predictor filters rows as PNG does (ISO/IEC 15948, 9), which lets deflate
// find more in photographs and scans.
type predictor struct {
	w    io.Writer
	bpp  int // bytes a pixel, 0 for less than a byte: no filter helps then
	prev []byte
	try  [4][]byte // the row under None, Sub, Up, Paeth, with the type before it
}

func newPredictor(w io.Writer, rowSize, bpp int) *predictor {
	p := &predictor{w: w, bpp: bpp, prev: make([]byte, rowSize)}
	for i, kind := range [...]byte{0, 1, 2, 4} {
		p.try[i] = make([]byte, 1+rowSize)
		p.try[i][0] = kind
	}
	return p
}

func (p *predictor) row(b []byte) error {
	if p.bpp == 0 {
		copy(p.try[0][1:], b)
		_, err := p.w.Write(p.try[0])
		return err
	}
	best, least := 0, int64(1)<<62
	for i := range p.try {
		if s := p.filter(i, b); s < least {
			best, least = i, s
		}
	}
	copy(p.prev, b)
	_, err := p.w.Write(p.try[best])
	return err
}

// filter fills try[i] and returns the sum of its differences, the usual measure.
func (p *predictor) filter(i int, b []byte) (sum int64) {
	out := p.try[i][1:]
	for x, v := range b {
		var left, upLeft byte
		if x >= p.bpp {
			left, upLeft = b[x-p.bpp], p.prev[x-p.bpp]
		}
		switch i {
		case 1:
			v -= left
		case 2:
			v -= p.prev[x]
		case 3:
			v -= paeth(left, p.prev[x], upLeft)
		}
		out[x] = v
		if d := int64(int8(v)); d < 0 {
			sum -= d
		} else {
			sum += d
		}
	}
	return sum
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}
