package draft

import (
	"bufio"
	"bytes"
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
	answerUpdate  = 'u'
	answerRefusal = 'n' // why, in words
)

const maxRefusal = 500 // bytes

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

// Child drafts the documents that stdin holds, each after its request, and answers
// on stdout. It ends with its input.
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
		document := make([]byte, q.Size)
		if _, err := io.ReadFull(in, document); err != nil {
			return err
		}
		update, err := pades.Draft(bytes.NewReader(document), q.Size, q.Form)
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
