package format

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"

	"github.com/richardlehane/mscfb"

	"bestand/ingest/bound"
	"bestand/preservation"
)

// encrypted reports whether the content needs a password, as far as that shows
// without decrypting anything. "No" is not a promise: the conversion finds out.
// It alone knows of PDF, which is often encrypted and yet open to all.
func encrypted(f *os.File, size int64, id preservation.Format) (yes bool) {
	defer func() {
		if recover() != nil { // a damaged container must not stop the service
			yes = false
		}
	}()
	magic := make([]byte, 8)
	if _, err := f.ReadAt(magic, 0); err != nil {
		return false
	}
	switch {
	case id.PUID == "fmt/494":
		return true
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		return encryptedZIP(f, size)
	case bytes.Equal(magic, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		return encryptedOLE(f)
	}
	return false
}

// encryptedZIP looks at bit 0 of the general purpose flags (APPNOTE 4.4.4) and
// at the manifest of OpenDocument, which encrypts inside of the container.
func encryptedZIP(f io.ReaderAt, size int64) bool {
	z, err := bound.ZIP(f, size)
	if err != nil {
		return false
	}
	for _, e := range z.File {
		if e.Flags&1 != 0 {
			return true
		}
		if e.Name != "META-INF/manifest.xml" {
			continue
		}
		r, err := e.Open()
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(io.LimitReader(r, 1<<20))
		r.Close()
		if bytes.Contains(b, []byte(":encryption-data")) {
			return true
		}
	}
	return false
}

// encryptedOLE knows the marks of [MS-OFFCRYPTO], [MS-DOC] 2.5.2 (fEncrypted),
// [MS-XLS] 2.4.117 (FilePass) and [MS-PPT] 2.3.2 (headerToken).
func encryptedOLE(f io.ReaderAt) bool {
	d, err := mscfb.New(f)
	if err != nil {
		return false
	}
	for n := 0; n < 10_000; n++ {
		e, err := d.Next()
		if err != nil {
			return false
		}
		switch e.Name {
		case "EncryptedPackage":
			return true
		case "WordDocument":
			b := make([]byte, 12)
			if _, err := io.ReadFull(e, b); err == nil && binary.LittleEndian.Uint16(b[10:])&0x0100 != 0 {
				return true
			}
		case "Workbook", "Book":
			if filePass(e) {
				return true
			}
		case "Current User":
			b := make([]byte, 16)
			if _, err := io.ReadFull(e, b); err == nil && binary.LittleEndian.Uint32(b[12:]) == 0xF3D1C4DF {
				return true
			}
		}
	}
	return false
}

// filePass walks the first records of a BIFF stream, where FilePass must stand.
func filePass(r io.Reader) bool {
	h := make([]byte, 4)
	for range 20 {
		if _, err := io.ReadFull(r, h); err != nil {
			return false
		}
		if binary.LittleEndian.Uint16(h) == 0x002F {
			return true
		}
		if _, err := io.CopyN(io.Discard, r, int64(binary.LittleEndian.Uint16(h[2:]))); err != nil {
			return false
		}
	}
	return false
}
