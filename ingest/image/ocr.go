package image

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bestand/ingest/sandbox"
)

// Recognised is what OCR read. It is a machine's guess: good for search,
// never evidence.
type Recognised struct {
	Words [][]Word // of each page, for Options.Words
	Text  string   // lines, pages divided by a form feed
}

// OCR reads the text of the image at src with tesseract, in the sandbox, in
// the given language ("deu"). dir is the job's folder. It wraps
// sandbox.ErrMissing when tesseract is not installed. Pages that stand on
// their side come out as noise or not at all.
func OCR(ctx context.Context, box *sandbox.Sandbox, dir, src, lang string) (Recognised, error) {
	if lang == "" || strings.Trim(lang, "abcdefghijklmnopqrstuvwxyz_+") != "" {
		return Recognised{}, fmt.Errorf("ocr: language %q", lang)
	}
	src, err := filepath.Abs(src)
	if err != nil {
		return Recognised{}, fmt.Errorf("ocr: %w", err)
	}
	if _, err := os.Stat(src); err != nil {
		return Recognised{}, fmt.Errorf("ocr: %w", err)
	}
	var out bytes.Buffer // bounded by the sandbox
	res, err := box.Run(ctx, sandbox.Command{
		Name: "tesseract", Args: []string{src, "stdout", "-l", lang, "tsv"},
		Dir: dir, Read: []string{src}, Env: []string{"OMP_THREAD_LIMIT=1"}, Stdout: &out,
		Limits: sandbox.Limits{CPU: 10 * time.Minute, Wall: time.Hour, Output: 64 << 20, Memory: 2 << 30},
	})
	if err != nil {
		return Recognised{}, fmt.Errorf("ocr: %w", err)
	}
	if !res.OK() {
		return Recognised{}, fmt.Errorf("ocr: tesseract ended with %d, limit %q: %s", res.ExitCode, res.Limit, strings.TrimSpace(res.Stderr))
	}
	return parseTSV(out.Bytes()), nil
}

// parseTSV reads tesseract's table: level, page, block, paragraph, line, word,
// left, top, width, height, confidence, text.
func parseTSV(b []byte) Recognised {
	var r Recognised
	var text strings.Builder
	var line [4]string
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		f := strings.Split(s.Text(), "\t")
		if len(f) != 12 || f[0] != "5" {
			continue
		}
		var n [5]int
		ok := true
		for i, k := range []int{1, 6, 7, 8, 9} {
			v, err := strconv.Atoi(f[k])
			ok = ok && err == nil && v >= 0
			n[i] = v
		}
		word := strings.TrimSpace(f[11])
		if confidence, err := strconv.ParseFloat(f[10], 64); !ok || err != nil || confidence < 0 || word == "" || n[0] < 1 || n[0] > 100_000 {
			continue
		}
		for len(r.Words) < n[0] {
			if len(r.Words) > 0 {
				text.WriteByte('\f')
			}
			r.Words = append(r.Words, nil)
		}
		if l := [4]string(f[1:5]); l != line {
			if text.Len() > 0 {
				text.WriteByte('\n')
			}
			line = l
		} else {
			text.WriteByte(' ')
		}
		text.WriteString(word)
		p := &r.Words[n[0]-1]
		*p = append(*p, Word{Text: word, X: n[1], Y: n[2], Width: n[3], Height: n[4]})
	}
	r.Text = text.String()
	return r
}
