package convert

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// page is one page at a resolution that shows whether something is on it.
type page struct {
	width, height int
	gray          []byte
}

const (
	rasterDPI   = 20
	rasterPages = 200 // of one document
	maxPixels   = 32 << 20
)

// raster draws the first pages as a viewer shows them: cut to the crop box.
func (j *job) raster(ctx context.Context, pdf string, more ...string) ([]page, error) {
	pdf, err := j.withoutIntent(pdf)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	var pages []page
	var parse error
	done := make(chan struct{})
	go func() { // ends when the writer is closed
		defer close(done)
		pages, parse = pgm(bufio.NewReader(r))
		_, _ = io.Copy(io.Discard, r) // what a broken image left must not block the program
	}()
	args := append(more, "-gray", "-cropbox", "-r", fmt.Sprint(rasterDPI), "-l", fmt.Sprint(rasterPages), pdf)
	res, err := j.read(ctx, "pdftoppm", w, pdf, args...)
	w.Close()
	<-done
	switch {
	case err != nil:
		return nil, err
	case parse != nil:
		return nil, &Refusal{CodeDamaged, "A page cannot be drawn."}
	case res.ExitCode != 0 && len(pages) == 0:
		return nil, &Refusal{CodeDamaged, "No page can be drawn."}
	}
	return pages, nil
}

// pgm reads portable gray maps (netpbm, P5, 8 bit), one after the other.
func pgm(r *bufio.Reader) ([]page, error) {
	var pages []page
	for pixels := 0; ; {
		if _, err := r.Peek(1); err == io.EOF {
			return pages, nil
		}
		var header string
		for range 3 {
			line, err := r.ReadSlice('\n') // short lines only: the buffer is the bound
			if err != nil {
				return pages, errors.New("not a gray map")
			}
			header += string(line)
		}
		var p page
		if _, err := fmt.Sscanf(header, "P5\n%d %d\n255\n", &p.width, &p.height); err != nil ||
			p.width <= 0 || p.height <= 0 || p.width > maxPixels/p.height {
			return pages, errors.New("not a gray map")
		}
		if pixels += p.width * p.height; pixels > maxPixels*4 {
			return pages, errors.New("gray maps too large")
		}
		p.gray = make([]byte, p.width*p.height)
		if _, err := io.ReadFull(r, p.gray); err != nil {
			return pages, fmt.Errorf("read gray map: %w", err)
		}
		pages = append(pages, p)
	}
}

// blank reports whether the page is of one shade.
func (p page) blank() bool {
	if len(p.gray) == 0 {
		return true
	}
	lo, hi := p.gray[0], p.gray[0]
	for _, g := range p.gray {
		lo, hi = min(lo, g), max(hi, g)
	}
	return hi-lo < 8
}

const field = 4 // pixels of a side: 5 mm

// fields compares two pages field by field: a line of text shifted by a hair
// is the same, a missing one is not. marked counts the fields on which either
// page shows something. Pages of other sizes have no fields in common: ok is false.
func (p page) fields(q page) (differ []bool, marked int, ok bool) {
	if abs(p.width-q.width) > 2+p.width/50 || abs(p.height-q.height) > 2+p.height/50 {
		return nil, 0, false
	}
	for y := 0; y < min(p.height, q.height); y += field {
		for x := 0; x < min(p.width, q.width); x += field {
			a, b := p.mean(x, y), q.mean(x, y)
			if min(a, b) < 250 {
				marked++
			}
			differ = append(differ, abs(a-b) > 24)
		}
	}
	return differ, marked, true
}

// difference returns the share of the marked area that is clearly lighter or
// darker on the other page.
func (p page) difference(q page) float64 {
	differ, marked, ok := p.fields(q)
	if !ok {
		return 1
	}
	n := 0
	for _, d := range differ {
		if d {
			n++
		}
	}
	return float64(n) / float64(max(marked, 1))
}

// lost reports whether most of what the page has more than its bare version is
// missing on the other page.
func (p page) lost(bare, other page) bool {
	more, _, ok := p.fields(bare)
	missing, _, same := p.fields(other)
	if !ok || !same || len(more) != len(missing) {
		return false // the page count and the size say so already
	}
	all, gone := 0, 0
	for i := range more {
		if more[i] {
			if all++; missing[i] {
				gone++
			}
		}
	}
	return gone*2 > all
}

// mean returns the mean shade of a field, cut at the edge of the page.
func (p page) mean(x0, y0 int) int {
	sum, n := 0, 0
	for y := y0; y < min(y0+field, p.height); y++ {
		for x := x0; x < min(x0+field, p.width); x++ {
			sum, n = sum+int(p.gray[y*p.width+x]), n+1
		}
	}
	return sum / max(n, 1)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
