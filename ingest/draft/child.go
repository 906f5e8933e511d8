package draft

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"unicode"

	"bestand/preservation/pades"
)

// ChildArg as the first argument makes the program the child that drafts seals.
const ChildArg = "draft-child"

// request precedes a document.
type request struct {
	Size int64
	Form pades.Form
}

// An answer is a byte that says what it is, four of its length, and its body.
const (
	answerReady   = 'r' // the child has begun; no body
	answerPart    = 'p' // asks for a part of the document: eight bytes of its offset, four of its length
	answerUpdate  = 'u'
	answerRefusal = 'n' // why, in words
)

const (
	maxRefusal = 500       // bytes
	part       = 256 << 10 // bytes of a document that are asked for at once
	parts      = 64        // that the child keeps
)

var errAnswer = errors.New("malformed answer")

// readAnswer reads an answer whose body has at most so many bytes, or is a refusal.
func readAnswer(r io.Reader, most int) (kind byte, body []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[1:]))
	if n > max(int64(most), maxRefusal) {
		return 0, nil, errAnswer
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

func answer(w io.Writer, kind byte, body []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)))
	_, err := w.Write(append(head, body...))
	return err
}

func ask(w io.Writer, q request) error {
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Child drafts the documents that are asked for on stdin, and answers on stdout. Of a
// document it asks for the parts that it needs. It ends with its input.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	if len(args) > 0 {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	os.Stdout = os.Stderr        // the parser prints what it thinks of a document
	debug.SetMaxStack(128 << 20) // deeper is hostile: end before all memory is taken
	if err := serve(bufio.NewReader(stdin), stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(in *bufio.Reader, out io.Writer) error {
	if err := answer(out, answerReady, nil); err != nil {
		return err
	}
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		var q request
		if err := json.Unmarshal(line, &q); err != nil {
			return err
		}
		document := &remote{in: in, out: out, size: q.Size, kept: map[int64][]byte{}}
		update, err := pades.Draft(document, q.Size, q.Form)
		if document.err != nil {
			return document.err
		}
		if err != nil {
			why := err.Error()
			err = answer(out, answerRefusal, []byte(why[:min(len(why), maxRefusal)]))
		} else {
			err = answer(out, answerUpdate, update)
		}
		if err != nil {
			return err
		}
	}
}

// remote is a document that the other side of the pipes reads.
type remote struct {
	in   io.Reader
	out  io.Writer
	size int64
	kept map[int64][]byte // parts by their offset
	err  error            // of the pipes
}

func (r *remote) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, errors.New("negative offset")
	}
	for n < len(p) {
		if at >= r.size {
			return n, io.EOF
		}
		b, err := r.part(at - at%part)
		if err != nil {
			r.err = err
			return n, err
		}
		m := copy(p[n:], b[at%part:])
		n, at = n+m, at+int64(m)
	}
	return n, nil
}

func (r *remote) part(at int64) ([]byte, error) {
	if b := r.kept[at]; b != nil {
		return b, nil
	}
	b := make([]byte, min(part, r.size-at))
	if err := answer(r.out, answerPart, wanted(at, len(b))); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r.in, b); err != nil {
		return nil, err
	}
	if len(r.kept) == parts {
		clear(r.kept)
	}
	r.kept[at] = b
	return b, nil
}

// wanted is the body of an answerPart.
func wanted(at int64, n int) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(at)), uint32(n))
}

// readWanted reads the body of an answerPart about a document of so many bytes.
func readWanted(body []byte, size int64) (at int64, n int, err error) {
	if len(body) != 12 {
		return 0, 0, errAnswer
	}
	at, n = int64(binary.BigEndian.Uint64(body)), int(binary.BigEndian.Uint32(body[8:]))
	if at < 0 || n > part || at > size-int64(n) {
		return 0, 0, errAnswer
	}
	return at, n, nil
}

// legible makes one line of what a child says, without what would disturb a reader.
func legible(b []byte) string {
	s := strings.TrimPrefix(strings.ToValidUTF8(string(b), "?"), pades.ErrUnsupported.Error()+": ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
