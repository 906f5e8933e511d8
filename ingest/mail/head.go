package mail

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
)

// maxHead is how much of a header is looked at.
const maxHead = 256 << 10

var fieldLine = regexp.MustCompile(`^(?:[!-9;-~]+[ \t]*:|[ \t]|>?From )`) // RFC 5322, 2.2 and 2.2.3; mboxes

// headed puts the empty line back that ends the header (RFC 5322, 2.1) where a
// program has left it out and the parts of the message follow at once: readers
// would take all of its text for a header that is broken, and show none of it.
func headed(r io.Reader) (whole io.Reader, repaired bool) {
	in := bufio.NewReaderSize(r, 64<<10)
	var head bytes.Buffer
	end := -1 // where the first line stands that is no field
	for head.Len() < maxHead {
		line, err := in.ReadSlice('\n')
		if end < 0 && head.Len() > 0 && len(bytes.TrimSpace(line)) > 0 && !fieldLine.Match(line) {
			end = head.Len()
		}
		head.Write(line)
		if err != nil || len(bytes.TrimSpace(line)) == 0 {
			break
		}
		if end >= 0 && bytes.HasPrefix(line, []byte("--")) {
			return io.MultiReader(bytes.NewReader(head.Bytes()[:end]), bytes.NewReader([]byte("\r\n")), bytes.NewReader(head.Bytes()[end:]), in), true
		}
	}
	return io.MultiReader(&head, in), false
}
