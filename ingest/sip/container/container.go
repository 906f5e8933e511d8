package container

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"bestand/ingest/sip/finding"
	"bestand/preservation"
)

// Codes of findings; all of them refuse the package.
const (
	NotZIP     = "zip-unreadable" // no ZIP, cut off, or with bytes that its directory does not account for
	TooLarge   = "zip-too-large"  // entries, bytes or ratio above the limits
	BadName    = "zip-name"       // a name that leaves the package or cannot be kept
	TwiceNamed = "zip-name-twice" // two entries of one name, or a name that is file and folder
	NotAFile   = "zip-not-a-file" // a symbolic link, device or the like
	Encrypted  = "zip-encrypted"  //
	BadMethod  = "zip-method"     // a compression that nobody promises to read
	Overlap    = "zip-overlap"    // entries that share bytes
	Damaged    = "zip-damaged"    // an entry whose bytes do not fit its checksum or size
)

// Limits bounds a package. A zero field takes the default.
type Limits struct {
	Entries   int   // files and folders; default 100,000
	Bytes     int64 // of all files unpacked; default 64 GiB
	Ratio     int64 // unpacked to packed bytes of the whole, beyond the first 64 MiB; default 200
	Directory int64 // bytes of the ZIP's directory; default 64 MiB
	Depth     int   // folders above a file; default 64
}

// WithDefaults returns the limits that hold.
func (l Limits) WithDefaults() Limits {
	l.Entries = cmp.Or(l.Entries, 100_000)
	l.Bytes = cmp.Or(l.Bytes, 64<<30)
	l.Ratio = cmp.Or(l.Ratio, 200)
	l.Directory = cmp.Or(l.Directory, 64<<20)
	l.Depth = cmp.Or(l.Depth, 64)
	return l
}

// freeRatio is how much may be unpacked whatever the ratio is.
const freeRatio = 64 << 20

// Entry is one file of the package.
type Entry struct {
	Name string // the raw bytes of the ZIP, folders included
	UTF8 bool   // the ZIP says that Name is UTF-8
	Size int64  // bytes unpacked
	Path string // where Extract put it; empty before, and when it is damaged
	preservation.Digests

	file *zip.File
}

// Container is an open ZIP file.
type Container struct {
	Entries []*Entry // files in the order of the directory; folders are left out

	byName map[string]*Entry
	loose  map[string][]*Entry // by looseName
}

// Open reads the directory of a ZIP of size bytes. The package must be refused,
// and the Container is nil, when the findings have failed; an error is a fault
// of reading r.
func Open(r io.ReaderAt, size int64, l Limits, found *finding.List) (*Container, error) {
	l = l.WithDefaults()
	if err := checkEnd(r, size, l); err != nil {
		var bad *refused
		if errors.As(err, &bad) {
			found.Fail(bad.code, "", "", "%s", bad.detail)
			return nil, nil
		}
		return nil, fmt.Errorf("read end of ZIP: %w", err)
	}
	z, err := zip.NewReader(r, size)
	switch {
	case errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		found.Fail(NotZIP, "", "", "the directory of the ZIP is broken")
		return nil, nil
	case err != nil && !errors.Is(err, zip.ErrInsecurePath): // nameFault judges the names
		return nil, fmt.Errorf("read directory of ZIP: %w", err)
	}
	c := &Container{byName: map[string]*Entry{}, loose: map[string][]*Entry{}}
	var sum uint64
	for _, f := range z.File {
		if c.admit(f, l, found); f.UncompressedSize64 > uint64(l.Bytes) || sum > uint64(l.Bytes)-f.UncompressedSize64 {
			found.Fail(TooLarge, "", "", "unpacked it has more than %d bytes", l.Bytes)
			return nil, nil
		}
		sum += f.UncompressedSize64
	}
	if sum > freeRatio && sum/uint64(l.Ratio) > uint64(size) {
		found.Fail(TooLarge, "", "", "%d bytes unpack to %d: more than %d times as much, as no record does", size, sum, l.Ratio)
	}
	c.checkNames(found)
	if err := checkOverlap(z.File, found); err != nil {
		return nil, err
	}
	if found.Failed() {
		return nil, nil
	}
	return c, nil
}

// admit takes one entry in if it is a plain file that can be read and named.
func (c *Container) admit(f *zip.File, l Limits, found *finding.List) {
	folder := strings.HasSuffix(f.Name, "/")
	if detail := nameFault(strings.TrimSuffix(f.Name, "/"), l.Depth); detail != "" {
		found.Fail(BadName, "", f.Name, "%s", detail)
		return
	}
	mode := f.Mode() &^ fs.ModePerm &^ (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	switch {
	case folder && f.UncompressedSize64 > 0:
		found.Fail(BadName, "", f.Name, "a folder with content")
	case folder:
	case mode != 0:
		found.Fail(NotAFile, "", f.Name, "a link, device or other special file; send the file itself")
	case f.Flags&0x2041 != 0: // encrypted, strongly encrypted, hidden directory
		found.Fail(Encrypted, "", f.Name, "encrypted; send it without a password")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		found.Fail(BadMethod, "", f.Name, "compression method %d; only stored and deflated entries are taken", f.Method)
	case c.byName[f.Name] != nil:
		found.Fail(TwiceNamed, "", f.Name, "the ZIP has this name twice")
	default:
		e := &Entry{Name: f.Name, UTF8: f.Flags&0x800 != 0, Size: int64(f.UncompressedSize64), file: f}
		c.Entries = append(c.Entries, e)
		c.byName[f.Name] = e
		key := looseName(e)
		c.loose[key] = append(c.loose[key], e)
	}
}

// checkNames finds names that are file and folder at once.
func (c *Container) checkNames(found *finding.List) {
	told := map[string]bool{}
	for _, e := range c.Entries {
		for i, r := range e.Name {
			if r != '/' {
				continue
			}
			if up := e.Name[:i]; c.byName[up] != nil && !told[up] {
				told[up] = true
				found.Fail(TwiceNamed, "", up, "the ZIP has this name as a file and as a folder")
			}
		}
	}
}

// checkOverlap finds entries that share bytes, as in bombs that unpack the same
// bytes again and again.
func checkOverlap(files []*zip.File, found *finding.List) error {
	type span struct {
		from, to int64
		name     string
	}
	var spans []span
	for _, f := range files {
		off, err := f.DataOffset()
		if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			found.Fail(Damaged, "", f.Name, "the entry has no header where the directory says")
			continue
		}
		if err != nil {
			return fmt.Errorf("read header of entry: %w", err)
		}
		if to := off + int64(f.CompressedSize64); to >= off {
			spans = append(spans, span{off, to, f.Name})
		} else {
			found.Fail(Damaged, "", f.Name, "the entry is longer than the ZIP")
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			found.Fail(Overlap, "", spans[i].name, "the entry shares bytes with another one")
		}
	}
	return nil
}

// Reader opens an entry before or after it was unpacked. What it delivers is
// checked against nothing.
func (c *Container) Reader(e *Entry) (io.ReadCloser, error) { return e.file.Open() }
