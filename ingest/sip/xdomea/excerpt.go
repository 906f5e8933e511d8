package xdomea

import (
	"context"
	"fmt"
	"io"
	"os"
)

// Excerpt writes the message as it concerns one of its Records: the bytes of the
// message without those of the other records. Every record thus keeps its own part
// of the message to the letter, and nothing of a record stays behind in another
// one when it is destroyed. The excerpt of a message with one record is the
// message. It is well-formed, and valid if the message is.
func (m *Message) Excerpt(ctx context.Context, w io.Writer, record *Object) error {
	in, err := os.Open(m.Entry.Path)
	if err != nil {
		return fmt.Errorf("excerpt of message: %w", err)
	}
	defer in.Close()
	at, buf := int64(0), make([]byte, 32<<10)
	for _, cut := range append(m.cuts(record), span{m.Entry.Size, m.Entry.Size}) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyBuffer(w, io.NewSectionReader(in, at, cut.from-at), buf); err != nil {
			return fmt.Errorf("excerpt of message: %w", err)
		}
		at = cut.to
	}
	return nil
}

// ExcerptSize returns how many bytes Excerpt writes.
func (m *Message) ExcerptSize(record *Object) int64 {
	n := m.Entry.Size
	for _, cut := range m.cuts(record) {
		n -= cut.to - cut.from
	}
	return n
}

// cuts are the parts of the message that belong to other records, in their order.
// Uppermost ones that follow one another are one cut.
func (m *Message) cuts(record *Object) []span {
	mine := map[*Object]bool{}
	for o := record; o != nil; o = o.Parent {
		mine[o] = true
	}
	var cuts []span
	var visit func(objects []*Object)
	visit = func(objects []*Object) {
		for _, o := range objects {
			last := len(cuts) - 1
			switch {
			case o == record || !o.held:
			case mine[o]: // context of this record and maybe of others
				visit(o.Children)
			case o.Parent == nil && last >= 0 && o.after == cuts[last].to:
				cuts[last].to = o.whole.to
			default:
				cuts = append(cuts, o.whole)
			}
		}
	}
	visit(m.Objects)
	return cuts
}
