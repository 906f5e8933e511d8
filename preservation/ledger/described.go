package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// Bytes. What describes a package lies at its end, nearly always within lastBytes; up to
// readAnyway it costs as much to prove that as to read the package.
const (
	lastBytes  = 64 << 10
	readAnyway = 256 << 10
	keptTexts  = 1 << 20
)

// readDescription takes out of a package what is to be committed without reading what
// lies in it: METS proven by its seal, by METS the record, its events and the places of
// its files, and by the record its texts. Any doubt is no problem, but ok is false: who
// reads the package whole sees what it is.
func (b *rebuild) readDescription(ctx context.Context, o preservation.Object) (c catalog.Commit, ok bool, err error) {
	if b.opts.Seal == nil {
		return c, false, nil
	}
	for n := int64(lastBytes); n < o.Size && n <= wholeBelow; n *= 16 {
		if err := b.memory.Acquire(ctx, n); err != nil {
			return c, false, err
		}
		c, err := b.readEnd(ctx, o, n)
		b.memory.Release(n)
		if !errors.Is(err, errNotHeld) {
			return c, err == nil, ctx.Err()
		}
	}
	return c, false, nil
}

// readEnd is readDescription from the last n bytes; errNotHeld when they are too few.
func (b *rebuild) readEnd(ctx context.Context, listed preservation.Object, n int64) (c catalog.Commit, err error) {
	o, body, err := b.store.Tail(ctx, listed.Key, listed.VersionID, n)
	if err != nil {
		return c, err
	}
	defer body.Close()
	buffer := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= keptBuffer {
			buffers.Put(buffer)
		}
	}()
	n = min(n, o.Size)
	if int64(cap(*buffer)) < n {
		*buffer = make([]byte, n)
	}
	end := (*buffer)[:n]
	if _, err := io.ReadFull(body, end); err != nil {
		return c, err
	}
	at := &pieces{{o.Size - n, end}}
	p, err := aip.Open(at, o.Size)
	if err != nil {
		return c, err
	}
	if err := p.Described(b.opts.Seal); err != nil {
		return c, err
	}
	if c, err = said(p); err != nil {
		return c, err
	}
	if !b.belongs(o.Key, c.Record) {
		return c, errForeign
	}
	if err := b.proveTexts(ctx, o, c, at); err != nil {
		return c, err
	}
	c.Unread = true
	return b.take(o, c, at), nil
}

var errForeign = errors.New("the package of another record")

// proveTexts compares the texts in a package with the record, and adds to the pieces what
// of them is not held.
func (b *rebuild) proveTexts(ctx context.Context, o preservation.Object, c catalog.Commit, at *pieces) error {
	left := int64(keptTexts)
	for _, f := range c.Record.Files {
		if f.Representation != preservation.Text || f.HeldIn != 0 || f.Size == 0 {
			continue
		}
		pos, h := c.Pos[f.ID], sha256.New()
		if at.hold(pos, f.Size) == nil && f.Size <= left {
			text := make([]byte, f.Size)
			if _, err := Remote(ctx, b.store, o).ReadAt(text, pos); err != nil {
				return err
			}
			*at = append(*at, piece{pos, text})
			left -= f.Size
		}
		if text := at.hold(pos, f.Size); text != nil {
			h.Write(text)
		} else if err := b.digest(ctx, o, pos, f.Size, h); err != nil {
			return err
		}
		if hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
			return errText
		}
	}
	return nil
}

var errText = errors.New("a text is not what the record says")

// digest writes a range of an object into a digest.
func (b *rebuild) digest(ctx context.Context, o preservation.Object, off, n int64, h io.Writer) error {
	body, err := b.store.Open(ctx, o.Key, o.VersionID, off, n)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(h, body)
	return err
}

// pieces are what is held of an object.
type pieces []piece

type piece struct {
	off  int64
	data []byte
}

var errNotHeld = errors.New("not held")

// hold returns bytes that lie in one piece, else nil.
func (p *pieces) hold(off, n int64) []byte {
	for _, e := range *p {
		if off >= e.off && off+n <= e.off+int64(len(e.data)) {
			return e.data[off-e.off:][:n]
		}
	}
	return nil
}

// ReadAt fails with errNotHeld for what is not all in one piece.
func (p *pieces) ReadAt(b []byte, off int64) (int, error) {
	held := p.hold(off, int64(len(b)))
	if held == nil {
		return 0, errNotHeld
	}
	return copy(b, held), nil
}
