package convert

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/ingest/bound"
	"bestand/ingest/sandbox"
)

// page is one page at a resolution that shows whether something is on it. Of its
// pixels only what comparisons need is kept: 5 bytes of 16.
type page struct {
	width, height int // in pixels
	cells         []cell
}

// cell is a square of the page, cellSide pixels (1.7 mm) long: smaller than the
// distance of lines, so that a lost word leaves one empty.
type cell struct {
	mean           byte // shade
	lo, hi         byte // darkest and brightest shade
	wideLo, wideHi byte // same, with the pixels around the cell
}

const (
	rasterDPI   = 60
	rasterPages = 200 // of one document
	maxPixels   = 32 << 20
	cellSide    = 4
	field       = 3 // cells of a side: 5 mm
)

// rasterLimits: the output is many pages and read as it comes.
var rasterLimits = sandbox.Limits{Memory: 1 << 30, CPU: 2 * time.Minute, Output: 1 << 30, FileSize: 1 << 20}

// raster draws the first pages as a viewer shows them: cut to the crop box.
func (j *job) raster(ctx context.Context, pdf string, more ...string) ([]page, error) {
	pdf, err := j.withoutIntent(pdf)
	if err != nil {
		return nil, err
	}
	return j.draw(ctx, "pdftoppm", pdf, append(more, "-gray", "-cropbox", "-r", fmt.Sprint(rasterDPI), "-l", fmt.Sprint(rasterPages), pdf)...)
}

// otherRaster draws the first pages with Ghostscript, a second reader.
func (j *job) otherRaster(ctx context.Context, pdf string) ([]page, error) {
	return j.draw(ctx, "gs", pdf, "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sstdout=%stderr", "-sDEVICE=pgmraw", "-dUseCropBox", "-dPrinted=false",
		fmt.Sprintf("-r%d", rasterDPI), "-dTextAlphaBits=4", "-dGraphicsAlphaBits=4", fmt.Sprintf("-dLastPage=%d", rasterPages), "-sOutputFile=-", pdf)
}

// draw runs a program that writes pages of a PDF to its standard output. What
// passes the bounds is not drawn: there are fewer pages then.
func (j *job) draw(ctx context.Context, program, pdf string, args ...string) ([]page, error) {
	dir, err := j.folder()
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	r, w := io.Pipe()
	var pages []page
	parsed := bound.Beside(func() (err error) { // ends when the writer is closed
		defer io.Copy(io.Discard, r) // what a broken image left must not block the program
		pages, err = pgm(bufio.NewReaderSize(r, 64<<10))
		return err
	})
	res, err := j.tool(ctx, sandbox.Command{Name: program, Args: args, Dir: dir, Read: []string{pdf}, Stdout: w, Limits: rasterLimits})
	w.Close()
	parse := parsed()
	var no *Refusal
	switch {
	case errors.As(err, &no) && no.Code == codeLimit+sandbox.LimitOutput && len(pages) > 0:
		return pages, nil
	case err != nil:
		return nil, err
	case parse != nil:
		return nil, &Refusal{CodeDamaged, "A page cannot be drawn."}
	case res.ExitCode != 0 && len(pages) == 0:
		return nil, &Refusal{CodeDamaged, "No page can be drawn."}
	}
	return pages, nil
}

// pgm reads portable gray maps (netpbm, P5, 8 bit), one after the other, until
// there are more pixels than anyone compares.
func pgm(r *bufio.Reader) ([]page, error) {
	var pages []page
	var gray []byte
	for pixels := 0; ; {
		if _, err := r.Peek(1); err == io.EOF {
			return pages, nil
		}
		var header string
		for lines := 0; lines < 3; {
			line, err := r.ReadSlice('\n') // short lines only: the buffer is the bound
			if err != nil {
				return pages, errors.New("not a gray map")
			}
			if line[0] != '#' {
				header, lines = header+string(line), lines+1
			}
		}
		var p page
		if _, err := fmt.Sscanf(header, "P5\n%d %d\n255\n", &p.width, &p.height); err != nil ||
			p.width <= 0 || p.height <= 0 || p.width > 1<<24 || p.height > 1<<24 {
			return pages, errors.New("not a gray map")
		}
		if pixels += p.width * p.height; p.width > maxPixels/p.height || pixels > maxPixels*4 {
			return pages, nil
		}
		if n := p.width * p.height; cap(gray) < n {
			gray = make([]byte, n)
		}
		gray = gray[:p.width*p.height]
		if _, err := io.ReadFull(r, gray); err != nil {
			return pages, fmt.Errorf("read gray map: %w", err)
		}
		p.reduce(gray)
		pages = append(pages, p)
	}
}

// reduce makes the cells of the page's pixels.
func (p *page) reduce(gray []byte) {
	across, down := p.across(), p.down()
	p.cells = make([]cell, across*down)
	for j := range down {
		for i := range across {
			c := cell{lo: 255, wideLo: 255}
			sum, n := 0, 0
			x0, y0 := i*cellSide, j*cellSide
			for y := max(y0-1, 0); y < min(y0+cellSide+1, p.height); y++ {
				for x := max(x0-1, 0); x < min(x0+cellSide+1, p.width); x++ {
					g := gray[y*p.width+x]
					c.wideLo, c.wideHi = min(c.wideLo, g), max(c.wideHi, g)
					if x >= x0 && x < x0+cellSide && y >= y0 && y < y0+cellSide {
						c.lo, c.hi = min(c.lo, g), max(c.hi, g)
						sum, n = sum+int(g), n+1
					}
				}
			}
			c.mean = byte(sum / max(n, 1))
			p.cells[j*across+i] = c
		}
	}
}

func (p page) across() int { return (p.width + cellSide - 1) / cellSide }
func (p page) down() int   { return (p.height + cellSide - 1) / cellSide }

// blank reports whether the page is of one shade.
func (p page) blank() bool {
	lo, hi := byte(255), byte(0)
	for _, c := range p.cells {
		lo, hi = min(lo, c.lo), max(hi, c.hi)
	}
	return len(p.cells) == 0 || hi-lo < 8
}

// alike reports whether two pages have the same size, nearly.
func (p page) alike(q page) bool {
	return abs(p.width-q.width) <= 2*rasterDPI/20+p.width/50 && abs(p.height-q.height) <= 2*rasterDPI/20+p.height/50
}

// fields compares two pages field by field: a line of text shifted by a hair
// is the same, a missing one is not. marked counts the fields on which either
// page shows something. Pages of other sizes have no fields in common: ok is false.
func (p page) fields(q page) (differ []bool, marked int, ok bool) {
	if !p.alike(q) {
		return nil, 0, false
	}
	for y := 0; y < min(p.down(), q.down()); y += field {
		for x := 0; x < min(p.across(), q.across()); x += field {
			a, b := p.mean(x, y), q.mean(x, y)
			if min(a, b) < 250 {
				marked++
			}
			differ = append(differ, abs(a-b) > 24)
		}
	}
	return differ, marked, true
}

// vanished counts the cells on which the page shows something and the other page
// nothing at all: letters, not their weight or their place by a hair. Where
// something appeared beside it, as when a font of other widths stands in, it moved.
func (p page) vanished(q page) (n int) {
	if !p.alike(q) {
		return 0 // the difference is said otherwise
	}
	for y := range min(p.down(), q.down()) {
		for x := range min(p.across(), q.across()) {
			if p.only(q, x, y) && !q.onlyNear(p, x, y) {
				n++
			}
		}
	}
	return n
}

// only reports whether a cell shows something here, more than the edge of a
// letter, and nothing on the other page.
func (p page) only(q page, x, y int) bool {
	if x < 0 || y < 0 || x >= min(p.across(), q.across()) || y >= min(p.down(), q.down()) {
		return false
	}
	a, b := p.cells[y*p.across()+x], q.cells[y*q.across()+x]
	return min(a.hi-a.mean, a.mean-a.lo) >= 16 && b.wideHi-b.wideLo < 10
}

// onlyNear reports whether a cell in 5 mm does.
func (p page) onlyNear(q page, x, y int) bool {
	for dy := -1; dy <= 1; dy++ {
		for dx := -3; dx <= 3; dx++ {
			if p.only(q, x+dx, y+dy) {
				return true
			}
		}
	}
	return false
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
	for y := y0; y < min(y0+field, p.down()); y++ {
		for x := x0; x < min(x0+field, p.across()); x++ {
			sum, n = sum+int(p.cells[y*p.across()+x].mean), n+1
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
