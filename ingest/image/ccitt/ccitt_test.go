package ccitt_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	foreign "golang.org/x/image/ccitt"

	"bestand/ingest/image/ccitt"
)

// page draws runs whose lengths are typical of the kind: noise, text, long lines.
func page(r *rand.Rand, width, height, maxRun int) []byte {
	stride := (width + 7) / 8
	p := make([]byte, stride*height)
	for y := range height {
		row := p[y*stride : (y+1)*stride]
		if y > 0 && r.IntN(3) > 0 { // like the row above, a little shifted
			copy(row, p[(y-1)*stride:y*stride])
			if r.IntN(2) == 0 {
				x := r.IntN(width)
				row[x/8] ^= 0x80 >> (x % 8)
			}
			continue
		}
		for x, black := 0, r.IntN(2) == 0; x < width; black = !black {
			for n := r.IntN(maxRun) + 1; n > 0 && x < width; n-- {
				if black {
					row[x/8] |= 0x80 >> (x % 8)
				}
				x++
			}
		}
	}
	return p
}

func encode(t testing.TB, p []byte, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	e := ccitt.NewEncoder(&b, width)
	stride := (width + 7) / 8
	for y := range height {
		if err := e.Row(p[y*stride : (y+1)*stride]); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(t testing.TB, b []byte, c ccitt.Coding, width, height int) ([]byte, error) {
	t.Helper()
	d, err := ccitt.NewDecoder(bytes.NewReader(b), c, width)
	if err != nil {
		return nil, err
	}
	stride := (width + 7) / 8
	p := make([]byte, stride*height)
	for y := range height {
		if err := d.Row(p[y*stride : (y+1)*stride]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// What the encoder writes, an independent decoder and ours read back alike.
func TestGroup4(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ width, height, maxRun int }{
		{1, 1, 1}, {7, 5, 3}, {8, 8, 9}, {64, 40, 2}, {1000, 60, 30}, {2480, 50, 700}, {9000, 20, 9000}, {63, 300, 64},
	} {
		want := page(r, c.width, c.height, c.maxRun)
		b := encode(t, want, c.width, c.height)
		got, err := decode(t, b, ccitt.Coding{Group4: true}, c.width, c.height)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: own decoder: %v, same: %v", c, err, bytes.Equal(got, want))
		}
		other, err := io.ReadAll(foreign.NewReader(bytes.NewReader(b), foreign.MSB, foreign.Group4, c.width, c.height, &foreign.Options{Invert: true}))
		if err != nil || !bytes.Equal(other, want) {
			t.Errorf("%v: independent decoder: %v, same: %v", c, err, bytes.Equal(other, want))
		}
		d, err := ccitt.NewDecoder(bytes.NewReader(b), ccitt.Coding{Group4: true}, c.width)
		if err != nil {
			t.Fatal(err)
		}
		row := make([]byte, (c.width+7)/8)
		n := 0
		for ; n <= c.height && err == nil; n++ {
			err = d.Row(row)
		}
		if err != io.EOF || n != c.height+1 {
			t.Errorf("%v: %d rows, then %v, want the end of the block", c, n-1, err)
		}
	}
}

// bits packs "0" and "1", anything else is ignored.
func bits(s string) []byte {
	var b []byte
	n := 0
	for _, c := range s {
		if c != '0' && c != '1' {
			continue
		}
		if n%8 == 0 {
			b = append(b, 0)
		}
		if c == '1' {
			b[n/8] |= 0x80 >> (n % 8)
		}
		n++
	}
	return b
}

// Rows coded by hand after the tables of T.4.
func TestGroup3(t *testing.T) {
	const (
		eol   = "000000000001 "
		w8    = "10011 " // white 8
		w2    = "0111 "  // white 2
		b3    = "10 "    // black 3
		w3    = "1000 "  // white 3
		white = w8       // the row is white
		bars  = w2 + b3 + w3
	)
	want := []byte{0x00, 0b00111000, 0b00111000}
	for _, c := range []struct {
		name   string
		coding ccitt.Coding
		bits   string
	}{
		{"one-dimensional", ccitt.Coding{}, eol + white + eol + bars + eol + bars + strings.Repeat(eol, 6)},
		{"fill bits", ccitt.Coding{}, eol + white + "0000000" + eol + bars + "00000" + eol + bars},
		{"two-dimensional", ccitt.Coding{TwoDim: true}, eol + "1" + white + eol + "1" + bars + eol + "0" + "1 1 1" + strings.Repeat(eol+"1", 6)},
		{"aligned without codes", ccitt.Coding{Aligned: true, NoEOL: true}, "10011000 " + "0111 10 1000 000000" + "0111 10 1000 000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := decode(t, bits(c.bits), c.coding, 8, 3)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %08b, %v; want %08b", got, err, want)
			}
		})
	}
}

func TestDamaged(t *testing.T) {
	b := encode(t, page(rand.New(rand.NewPCG(3, 4)), 500, 50, 40), 500, 50)
	if _, err := decode(t, b[:len(b)/2], ccitt.Coding{Group4: true}, 500, 50); !errors.Is(err, ccitt.ErrDamaged) && err != io.EOF {
		t.Errorf("cut: %v", err)
	}
	if _, err := decode(t, bytes.Repeat([]byte{0}, 100), ccitt.Coding{Group4: true}, 500, 50); !errors.Is(err, ccitt.ErrDamaged) {
		t.Errorf("zeros: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, page(rand.New(rand.NewPCG(5, 6)), 100, 20, 9), 100, 20), uint16(100), byte(1))
	f.Add(bits("000000000001 10011 000000000001"), uint16(8), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, width uint16, flags byte) {
		c := ccitt.Coding{Group4: flags&1 != 0, TwoDim: flags&2 != 0, Aligned: flags&4 != 0, NoEOL: flags&8 != 0}
		p, err := decode(t, b, c, int(width), 20)
		if err != nil {
			return
		}
		// Whatever was read can be written and read again.
		got, err := decode(t, encode(t, p, int(width), 20), ccitt.Coding{Group4: true}, int(width), 20)
		if err != nil || !bytes.Equal(got, p) {
			t.Fatalf("round trip: %v", err)
		}
	})
}
