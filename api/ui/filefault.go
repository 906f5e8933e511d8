package ui

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"

	xlanguage "golang.org/x/text/language"

	"bestand/api"
)

// fileForms are the forms that come with a file which is small enough to stay in memory,
// with how many bytes they may have.
var fileForms = map[string]int64{planPattern: planBytes, rulesPattern: rulesBytes + formBytes, answerPattern: answerBytes + formBytes}

// formFile is the file that came with a form, nil if none did.
func (v *visit) formFile() ([]byte, error) {
	f, head, err := v.r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || err == nil && head.Filename == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(f) // as much as the form may have, see fileForms
	if text == nil {
		text = []byte{} // there is one, and nothing in it
	}
	return text, err
}

// sendFile hands a file to the interface.
func (v *visit) sendFile(path, media string, text []byte, into any) error {
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodPost, path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", media)
	return v.send(r, into)
}

// wrongIn are the faults of a file that the interface refused, and the status it gave;
// nil where it was not the file.
func wrongIn(err error) (wrong []api.FieldError, status int) {
	var e *refusal
	if !errors.As(err, &e) || faults(err) == nil {
		return nil, 0
	}
	if len(e.problem.Errors) > 0 {
		return e.problem.Errors, e.status
	}
	one := api.FieldError{Field: "file", Code: e.code, Detail: e.problem.Detail}
	if e.status == http.StatusConflict {
		one.Field = "" // it is about what is in force
	}
	return []api.FieldError{one}, e.status
}

// wrongShown is how many faults of a file a page names.
const wrongShown = 20

// fileFaults are the faults of a file for people: the first ones, and how many more there
// are.
type fileFaults struct {
	Shown []fileFault
	More  int
}

// wrong says what is wrong with a file in the language.
func (l *language) wrong(all []api.FieldError) (w fileFaults) {
	w.More = max(len(all)-wrongShown, 0)
	for _, f := range all[:len(all)-w.More] {
		w.Shown = append(w.Shown, l.fileFault(f))
	}
	return w
}

// fileFault is a fault of a file for people.
type fileFault struct {
	Place  string // line and column, where it has them
	Text   string
	Detail string // what the program says beyond that, in English
}

// fileFault says a fault of a file in the language.
func (l *language) fileFault(f api.FieldError) fileFault {
	w := fileFault{Place: l.place(f.Field), Text: l.coded("filefault", f.Code), Detail: f.Detail}
	if l.tag == xlanguage.BritishEnglish && f.Detail != "" {
		return fileFault{Place: w.Place, Text: f.Detail}
	}
	if quote, err := strconv.QuotedPrefix(f.Detail); err == nil {
		if value, err := strconv.Unquote(quote); err == nil {
			w.Text = l.t("file.value", value, w.Text)
		}
	}
	if f.Code == "required" || f.Code == "required_unless" {
		w.Detail = "" // says nothing else
	}
	return w
}

var (
	cellPlace = regexp.MustCompile(`^line (\d+), column (.+)$`)
	linePlace = regexp.MustCompile(`^line (\d+)$`)
)

// place writes where in a file a fault is.
func (l *language) place(field string) string {
	if m := cellPlace.FindStringSubmatch(field); m != nil {
		return l.t("file.cell", m[1], m[2])
	}
	if m := linePlace.FindStringSubmatch(field); m != nil {
		return l.t("file.line", m[1])
	}
	if field == "file" || field == "message" {
		return l.t("file.whole")
	}
	return field
}
