package pades

import (
	"bytes"
	"fmt"
	"strings"
)

// update is the incremental update that carries a signature or a document
// time-stamp, still empty.
type update struct {
	offset int64  // in the file; the document lies before it unchanged
	bytes  []byte // to the end of the file
	from   int    // of the hole in bytes, '<' included
	to     int    // behind its '>'
}

// fillRange writes the ByteRange of a new update, which leaves out nothing but the
// room for the signature, into its place before that.
func (u *update) fillRange() error {
	at := bytes.Index(u.bytes, byteRangeKey)
	hole := bytes.Index(u.bytes, append(append([]byte{}, contentsKey...), '<'))
	if at < 0 || hole < at {
		return fmt.Errorf("%w: the update has no place for its signature", ErrUnsupported)
	}
	from := hole + len(contentsKey)
	to := from + bytes.IndexByte(u.bytes[from:], '>') + 1
	place := u.bytes[at+len(byteRangeKey)+1 : hole-1] // between blanks
	text := fmt.Sprintf("[0 %d %d %d", u.offset+int64(from), u.offset+int64(to), len(u.bytes)-to)
	if len(text) >= len(place) {
		return fmt.Errorf("%w: no room for ByteRange", ErrUnsupported)
	}
	copy(place, text+strings.Repeat(" ", len(place)-len(text)-1)+"]")
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
