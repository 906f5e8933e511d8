// Package hostile builds files that mean harm, for tests: bombs, loops, files
// that fetch, include or run something, and files that are not what they claim.
//
// Everything is made here, byte by byte, so that no foreign file has to be kept
// and every trap can name the listener and the secret of the test at hand. No
// product code imports this package.
package hostile

import (
	"bytes"
	"compress/zlib"
	"math/rand/v2"
	"strings"
)

// Marker stands in the text of every file whose content a rendition must show.
const Marker = "Gutachten Lindenstrasse"

// Trap is what a file that reaches out would touch.
type Trap struct {
	URL    string // http://127.0.0.1:port of a listener
	Host   string // 127.0.0.1:port of the same
	Secret string // absolute path of a readable file whose content must come to light nowhere
}

// File is one hostile file.
type File struct {
	Group, Name string // Name ends in the extension that it claims
	Content     func() []byte
	// Shows says that the file holds Marker for the reader: a valid rendition without it is a blank one.
	Shows bool
	// Blank says that the file has nothing to show to the reader: it gets no rendition.
	Blank bool
	// Code is a finding that there must be, if not empty.
	Code string
	// Heavy files take long or much memory to reach their limit: for the campaign only.
	Heavy bool
	// Holds is how many files within it get a rendition each.
	Holds int
}

// Files returns all of them.
func Files(t Trap) []File {
	var all []File
	for _, group := range []struct {
		name  string
		files []File
	}{
		{"zip", zips()}, {"office bomb", officeBombs()}, {"pdf", pdfs(t)}, {"image", images()}, {"nesting", nested()},
		{"xml", xmls(t)}, {"reaching out", reaching(t)}, {"mail", mails(t)}, {"encrypted", encrypted()}, {"contradiction", contradictions(t)},
	} {
		for _, f := range group.files {
			f.Group = group.name
			all = append(all, f)
		}
	}
	return all
}

// Extensions that identification or conversion knows.
var Extensions = strings.Fields("pdf docx xlsx pptx odt ods odp odg doc xls ppt rtf txt csv html xhtml xml eml msg tif tiff jpg jpeg png gif bmp webp " +
	"zip gz tar 7z rar bz2 svg json docm xlsm xlsb pptm dotx vsd sxw sxc sxi mbox p7m p7s mp4 dwg dxf gml shp sqlite ps eps tex md log ini xsd xsl")

// Noise returns n bytes that are nothing, the same for the same seed.
func Noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func fixed(b []byte) func() []byte { return func() []byte { return b } }
func text(s string) func() []byte  { return fixed([]byte(s)) }
func lines(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

// deflated packs zeros, or what fill repeats, without holding it.
func deflated(fill []byte, size int64) []byte {
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	block := bytes.Repeat(fill, max(1, (1<<20)/len(fill)))
	for size > 0 {
		n := min(int64(len(block)), size)
		z.Write(block[:n])
		size -= n
	}
	z.Close()
	return b.Bytes()
}
