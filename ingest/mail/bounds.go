package mail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
)

var boundaryParam = regexp.MustCompile(`(?i)^(?:content-type:|[ \t]).*boundary\*?(?:[0-9]+\*?)?\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))?`)

// bounds counts parts and nesting in one pass over the lines, before anything
// is built from them. It errs on the side of too much: what looks like a
// boundary parameter counts as a level until an outer boundary shows.
func bounds(ctx context.Context, src io.Reader, o Options) error {
	r := bufio.NewReaderSize(ctxReader{ctx, src}, 64<<10)
	var open [][]byte
	parts, levels := 0, 0
	for start := true; ; {
		line, err := r.ReadSlice('\n')
		if start && bytes.HasPrefix(line, []byte("--")) {
			name := bytes.TrimRight(line[2:], " \t\r\n")
			for i := len(open) - 1; i >= 0; i-- {
				closing := bytes.HasSuffix(name, []byte("--")) && bytes.Equal(bytes.TrimSuffix(name, []byte("--")), open[i])
				if !closing && !bytes.Equal(name, open[i]) {
					continue
				}
				if open = open[:i+1]; closing {
					open = open[:i]
				}
				if parts++; parts > o.Parts {
					return &Fault{TooLarge, fmt.Sprintf("more than %d parts", o.Parts)}
				}
				break
			}
		} else if m := boundaryParam.FindSubmatch(line); m != nil {
			open = append(open, bytes.Clone(append(m[1], m[2]...)))
			if levels++; len(open) > o.Depth || levels > 10*o.Depth {
				return &Fault{TooLarge, fmt.Sprintf("parts nested deeper than %d", o.Depth)}
			}
		}
		start = err == nil
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
