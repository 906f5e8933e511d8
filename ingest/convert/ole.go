package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const oleMagic = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"

// starts of office formats that are not ZIP packages. LibreOffice would open a
// file of noise as text when its name ends in .doc, so it is not asked to.
var starts = map[string][]string{
	".doc": {oleMagic, "\xDB\xA5", "\x9B\xA5", "\x31\xBE", `{\rtf`}, // Word 1 and 2, Write
	".xls": {oleMagic, "\x09\x00\x04\x00", "\x09\x02\x06\x00", "\x09\x04\x06\x00"},
	".ppt": {oleMagic},
	".rtf": {`{\rtf`},
	".vsd": {oleMagic, "PK\x03\x04"},
}

// whole looks whether the file begins as its format does and, in an OLE file,
// whether all of it is there.
func whole(file, ext string) error {
	want, ok := starts[ext]
	if !ok {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 512)
	n, err := io.ReadFull(f, header)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return err
	}
	begins := false
	for _, s := range want {
		begins = begins || strings.HasPrefix(string(header[:n]), s)
	}
	if !begins {
		return &Refusal{CodeDamaged, fmt.Sprintf("The file does not begin as %s files do.", strings.ToUpper(ext[1:]))}
	}
	if !strings.HasPrefix(string(header[:n]), oleMagic) {
		return nil
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if n < 512 || st.Size() <= oleSize(f, header) {
		return &Refusal{CodeTruncated, "The document is an OLE file whose end is missing."}
	}
	return nil
}

// oleSize returns where the last sector in use begins ([MS-CFB] 2.2 and 2.3),
// as far as the first 109 sectors of the allocation table say, which cover 7 MB.
func oleSize(r io.ReaderAt, header []byte) int64 {
	le := binary.LittleEndian
	shift := le.Uint16(header[30:])
	if shift != 9 && shift != 12 {
		return 0
	}
	size := int64(1) << shift
	table := make([]byte, size)
	last := int64(0)
	for i := range 109 {
		sector := le.Uint32(header[76+4*i:])
		if sector >= 0xFFFFFFFA { // MAXREGSECT and above: none
			break
		}
		at := (int64(sector) + 1) * size
		if _, err := r.ReadAt(table, at); err != nil {
			return max(last, at+size-1)
		}
		for k := 0; k < len(table); k += 4 {
			if le.Uint32(table[k:]) != 0xFFFFFFFF { // FREESECT
				last = max(last, (int64(i)*size/4+int64(k/4)+1)*size)
			}
		}
	}
	return last
}
