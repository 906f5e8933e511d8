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
	at := int64(0)
	for _, cut := range append(m.cuts(record), span{m.Entry.Size, m.Entry.Size}) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.Copy(w, io.NewSectionReader(in, at, cut.from-at)); err != nil {
			return fmt.Errorf("excerpt of message: %w", err)
		}
		at = cut.to
	}
	return nil
}

// cuts are the parts of the message that belong to other records, in their order.
func (m *Message) cuts(record *Object) []span {
	mine, others := map[*Object]bool{}, map[*Object]bool{}
	for _, r := range m.Records() {
		for o := r; o != nil; o = o.Parent {
			if r == record {
				mine[o] = true
			} else {
				others[o] = true
			}
		}
	}
	var cuts []span
	var visit func(objects []*Object)
	visit = func(objects []*Object) {
		for _, o := range objects {
			switch {
			case o == record:
			case mine[o]:
				visit(o.Children)
			case others[o] && o.Parent == nil:
				cuts = append(cuts, o.holder)
			case others[o]:
				cuts = append(cuts, span{o.start, o.end})
			}
		}
	}
	visit(m.Objects)
	return cuts
}
