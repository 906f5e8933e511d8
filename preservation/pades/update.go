package pades

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// update is the incremental update that carries a signature or a document
// time-stamp, still empty.
type update struct {
	offset int64  // in the file; the document lies before it unchanged
	bytes  []byte // to the end of the file
	from   int    // of the hole in bytes, '<' included
	to     int    // behind its '>'
}

// rangeRoom is what a ByteRange may take: four numbers of ten digits.
const rangeRoom = len("[0 0123456789 0123456789 0123456789]")

// encode writes a signature dictionary (ISO 32000-2, 12.8.1) with room for the
// signature and its ByteRange.
func (f Form) encode(stamp bool) []byte {
	var b bytes.Buffer
	typ, format := "Sig", "ETSI.CAdES.detached"
	if stamp {
		typ, format = "DocTimeStamp", "ETSI.RFC3161"
	}
	fmt.Fprintf(&b, "<< /Type /%s /Filter /Adobe.PPKLite /SubFilter /%s\n %s %s /Contents<%s>\n", typ, format,
		byteRangeKey, strings.Repeat(" ", rangeRoom), strings.Repeat("0", 2*f.Room))
	for _, e := range []entry{{"Name", f.Name}, {"Reason", f.Reason}, {"Location", f.Location}} {
		if e.value != "" {
			fmt.Fprintf(&b, " /%s %s\n", e.key, encodeText(e.value))
		}
	}
	if !stamp { // in a time-stamp the token alone says the time
		fmt.Fprintf(&b, " /M (D:%s+00'00')\n", f.Now.UTC().Truncate(time.Second).Format("20060102150405"))
	}
	b.WriteString(">>")
	return b.Bytes()
}

// encodeField writes an invisible signature field that is its own annotation
// (12.7.5.5): on a page, with the signature that fills it.
func encodeField(name, page string, signature ref) []byte {
	return encodeDict([]entry{{"Type", "/Annot"}, {"Subtype", "/Widget"}, {"Rect", "[0 0 0 0]"}, {"P", page},
		{"F", "132"}, // print, locked: what PDF/A asks of annotations
		{"FT", "/Sig"}, {"T", encodeText(name)}, {"V", signature.String()}})
}

// fillRange writes the ByteRange of a new update, which leaves out nothing but the
// room for the signature.
func (u *update) fillRange() error {
	at := bytes.Index(u.bytes, byteRangeKey)
	hole := bytes.Index(u.bytes, append(append([]byte{}, contentsKey...), '<'))
	if at < 0 || hole < at {
		return fmt.Errorf("%w: the update has no place for its signature", ErrUnsupported)
	}
	from := hole + len(contentsKey)
	to := from + bytes.IndexByte(u.bytes[from:], '>') + 1
	text := fmt.Sprintf("[0 %d %d %d", u.offset+int64(from), u.offset+int64(to), len(u.bytes)-to)
	copy(u.bytes[at+len(byteRangeKey)+1:], text+strings.Repeat(" ", max(0, rangeRoom-len(text)-1))+"]")
	return u.findHole()
}

// room returns how many bytes a signature may have.
func (u *update) room() int { return (u.to - u.from - len("<>")) / 2 }

// findHole reads the only ByteRange of the update and makes sure that it
// leaves out nothing but the room for the signature.
func (u *update) findHole() error {
	i := bytes.Index(u.bytes, byteRangeKey)
	if i < 0 || bytes.Count(u.bytes, byteRangeKey) != 1 {
		return fmt.Errorf("%w: the update has no single ByteRange", ErrUnsupported)
	}
	r, ok := parseRanges(u.bytes[i+len(byteRangeKey):])
	size := u.offset + int64(len(u.bytes))
	if !ok || len(r) != 4 || r[0] != 0 || r[1] <= u.offset || r[2] <= r[1] || r[2]+r[3] != size {
		return fmt.Errorf("%w: ByteRange %v of the update does not fit", ErrUnsupported, r)
	}
	u.from, u.to = int(r[1]-u.offset), int(r[2]-u.offset)
	if u.bytes[u.from] != '<' || u.bytes[u.to-1] != '>' || !bytes.HasSuffix(u.bytes[:u.from], contentsKey) {
		return fmt.Errorf("%w: ByteRange %v of the update misses the signature", ErrUnsupported, r)
	}
	return nil
}
