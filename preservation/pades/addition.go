package pades

import (
	"bytes"
	"context"
	"io"
)

// maxAddition is the most bytes behind a seal that are looked at.
const maxAddition = 32 << 20

// additions says whether everything behind the first bytes of a document is what
// this package adds to a seal: validation data, and document time-stamps over them.
// It makes the same updates anew and compares, so that nothing else can be in them.
func additions(ctx context.Context, r io.ReaderAt, at, size int64) (data, stamps int) {
	if size-at > maxAddition {
		return 0, 0
	}
	rest, err := readRange(r, at, size)
	if err != nil {
		return 0, 0
	}
	for len(rest) > 0 {
		const mark = "%%EOF\n"
		n := bytes.Index(rest, []byte(mark)) + len(mark)
		if n < len(mark) || ctx.Err() != nil || data+stamps == maxRevisions {
			return 0, 0
		}
		switch {
		case isMaterial(r, at, rest[:n]):
			data++
		case isStamp(r, at, rest[:n]):
			stamps++
		default:
			return 0, 0
		}
		at += int64(n)
		rest = rest[n:]
	}
	return data, stamps
}

func isMaterial(r io.ReaderAt, at int64, added []byte) bool {
	before, err := readFile(r, at)
	if err != nil {
		return false
	}
	after, err := readFile(r, at+int64(len(added)))
	if err != nil {
		return false
	}
	m, there, err := after.material()
	if err != nil || !there {
		return false
	}
	again, err := before.addMaterial(m)
	return err == nil && bytes.Equal(again, added)
}

func isStamp(r io.ReaderAt, at int64, added []byte) bool {
	before, err := readFile(r, at)
	if err != nil {
		return false
	}
	have := update{offset: at, bytes: bytes.Clone(added)}
	if have.findHole() != nil {
		return false
	}
	again, err := before.addStamp(have.room())
	if err != nil || again.from != have.from || again.to != have.to {
		return false
	}
	clear(have.bytes[have.from+1 : have.to-1])
	clear(again.bytes[again.from+1 : again.to-1])
	return bytes.Equal(again.bytes, have.bytes)
}
