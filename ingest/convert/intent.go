package convert

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// poppler computes the tables of a colour transform for every page of a PDF with
// an output intent, also for text and for grey: some 35 ms of processor time a page,
// five times what everything else takes, and PDF/A has one always. A PDF of 1,700
// pages would run into the limit. So it reads a copy whose catalog has the entry
// under another name (ISO 32000-1, 7.7.2: what is not known is passed over).

var (
	intentName  = []byte("/OutputIntents")
	intentValue = regexp.MustCompile(`^\s*(\[|\d+\s+\d+\s+R)`)
	otherName   = []byte("/OutputIntentz")
)

// intentLimit is the size in bytes above which a PDF is read as it is.
const intentLimit = 512 << 20

// withoutIntent returns the path of a copy without an output intent, or of the
// PDF itself where it has none that can be found without reading it as a PDF.
func (j *job) withoutIntent(pdf string) (string, error) {
	if plain, known := j.plain[pdf]; known {
		return plain, nil
	}
	at, err := findIntents(pdf)
	if err != nil {
		return "", err
	}
	plain := pdf
	if len(at) > 0 {
		dir, err := j.folder()
		if err != nil {
			return "", err
		}
		plain = filepath.Join(dir, "plain.pdf")
		if err := writeFile(plain, func(out io.Writer) error { return copyTo(out, pdf) }); err != nil {
			return "", err
		}
		f, err := os.OpenFile(plain, os.O_WRONLY, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		for _, i := range at {
			if _, err := f.WriteAt(otherName, i); err != nil {
				return "", err
			}
		}
	}
	if j.plain == nil {
		j.plain = map[string]string{}
	}
	j.plain[pdf] = plain
	return plain, nil
}

// findIntents returns where a file has the entry of a catalog.
func findIntents(path string) (at []int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() > intentLimit {
		return nil, err
	}
	const most = 64 // bytes of an entry
	r := bufio.NewReaderSize(f, 256<<10)
	for done := int64(0); ; {
		window, err := r.Peek(r.Size())
		if err != nil && err != io.EOF {
			return nil, err
		}
		step := max(len(window)-most, 0)
		if err == io.EOF {
			step = len(window)
		}
		for i := 0; ; i++ { // a plain search first: it is many times as fast
			n := bytes.Index(window[i:], intentName)
			if i += n; n < 0 || i >= step {
				break
			}
			if intentValue.Match(window[i+len(intentName) : min(i+most, len(window))]) {
				at = append(at, done+int64(i))
			}
		}
		if err == io.EOF || len(at) > 1000 {
			return at, nil
		}
		if _, err := r.Discard(step); err != nil {
			return nil, err
		}
		done += int64(step)
	}
}
