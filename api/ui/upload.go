package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bestand/api"
	"bestand/preservation"
	"bestand/retention"
)

// uploadPattern is the one form that comes with files: they are passed on while they
// arrive.
const (
	uploadPath    = "/uebernahme/neu"
	uploadPattern = "POST " + uploadPath
)

// uploadView is the form to hand a record over by hand.
type uploadView struct {
	Values  map[string]string
	Fields  map[string]api.FieldError
	Classes []retention.Class
	Most    int64 // bytes of one submission; 0: no limit
}

func uploadPage(v *visit) error {
	return v.showUpload(http.StatusOK, uploadView{Values: map[string]string{"producer": "handablage", "kind": "file", "confidentiality": "internal",
		"producer_record_id": preservation.NewID(v.ui.Now())}})
}

func (v *visit) showUpload(status int, p uploadView) error {
	var scheme retention.Scheme
	if err := v.get("/v1/classification", &scheme); err != nil {
		return err
	}
	p.Classes = scheme.Classes
	order := v.lang.collator()
	slices.SortFunc(p.Classes, func(a, b retention.Class) int { return order.CompareString(a.Code, b.Code) })
	p.Most = v.mostBytes()
	return v.showStatus(status, "upload", v.lang.t("upload.title"), p, crumb{v.lang.t("submissions.title"), "/uebernahme"})
}

// mostBytes is what the interface takes at once, as it tells programs (tus 1.0.0).
func (v *visit) mostBytes() int64 {
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodOptions, "/v1/uploads", http.NoBody)
	if err != nil {
		return 0
	}
	a := answer{header: http.Header{}}
	v.ui.API.ServeAs(&a, r, v.who)
	n, _ := strconv.ParseInt(a.header.Get("Tus-Max-Size"), 10, 64) // none is 0
	return n
}

// upload reads the fields of the form, which stand before the files, and hands the
// files to the interface while they come in, without keeping them.
func upload(v *visit) error {
	in, err := v.r.MultipartReader()
	if err != nil {
		return &refusal{status: http.StatusUnsupportedMediaType, code: "malformed"}
	}
	values, first, err := fieldsBefore(in)
	if err != nil {
		return err
	}
	if err := v.checkToken(values[csrfField]); err != nil {
		return err
	}
	p := uploadView{Values: values, Fields: map[string]api.FieldError{}}
	if first == nil {
		p.Fields["file"] = api.FieldError{Code: "no-file"}
		return v.showUpload(http.StatusUnprocessableEntity, p)
	}
	metadata, err := metadataOf(values)
	if err != nil {
		return err
	}
	body, w := io.Pipe()
	out := multipart.NewWriter(w)
	passed := make(chan error, 1)
	go func() {
		err := passOn(out, metadata, in, first, values[exactName])
		w.CloseWithError(err) // nil: the form is whole
		passed <- err
	}()
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodPost, "/v1/submissions", body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", out.FormDataContentType())
	r.Header.Set("Accept", "application/json")
	var taken api.Accepted
	err = v.send(r, &taken)
	body.CloseWithError(errors.New("answered")) // whoever passes on has nobody to pass on to
	<-passed
	var refused *refusal
	if errors.As(err, &refused) {
		io.Copy(io.Discard, v.r.Body) // a browser shows the answer only once it was heard out
		p.Fields = uploadFaults(refused)
		return v.showUpload(refused.status, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(joinPath("/uebernahme/", string(taken.ID)), "handed-over")
}

// abandonedUpload returns what was typed into the form of somebody whose session is
// over. The files are not read.
func (v *visit) abandonedUpload() (sent []keptField, err error) {
	in, err := v.r.MultipartReader()
	if err != nil {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: "malformed"}
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, formBytes)
	values, _, err := fieldsBefore(in)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) { // the form itself shows them again
		sent = append(sent, keptField{name, values[name]})
	}
	return sent, nil
}

// resumeUpload shows the form again as it was typed, but for the files.
func (v *visit) resumeUpload(p loginView) error {
	if !v.may("POST /v1/submissions") {
		return &refusal{status: http.StatusForbidden, code: "forbidden"}
	}
	again := uploadView{Values: map[string]string{}, Fields: map[string]api.FieldError{"file": {Field: "file", Code: "no-file"}}}
	for _, f := range p.Kept {
		again.Values[f.Name] = f.Value
	}
	return v.showUpload(http.StatusOK, again)
}

// uploadFaults are what is wrong with the fields, and with the files as a whole.
func uploadFaults(e *refusal) map[string]api.FieldError {
	all := map[string]api.FieldError{}
	for _, f := range e.problem.Errors {
		if name, _, _ := strings.Cut(f.Field, "["); name == "files" {
			if f.Field = "file"; f.Code == "required" {
				f.Code = "no-file"
			}
		}
		all[f.Field] = f
	}
	if len(all) == 0 {
		all[""] = api.FieldError{Code: e.code, Detail: e.problem.Detail}
	}
	return all
}

const (
	fieldsMax  = 40
	fieldBytes = 64 << 10
)

// fieldsBefore reads what stands before the first file with a name.
func fieldsBefore(in *multipart.Reader) (values map[string]string, first *multipart.Part, err error) {
	values = map[string]string{}
	for range fieldsMax {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			return values, nil, nil
		}
		if err != nil {
			return nil, nil, &refusal{status: http.StatusBadRequest, code: "malformed"}
		}
		if part.FormName() == "file" {
			if fileName(part) != "" {
				return values, part, nil
			}
			continue // a field for files in which none was chosen
		}
		b, err := io.ReadAll(io.LimitReader(part, fieldBytes+1))
		if err != nil || len(b) > fieldBytes {
			return nil, nil, &refusal{status: http.StatusRequestEntityTooLarge, code: "too-large"}
		}
		values[part.FormName()] = strings.TrimSpace(string(b))
	}
	return nil, nil, &refusal{status: http.StatusBadRequest, code: "malformed"}
}

// fileName is the name that the browser gives, with the folders of one that was chosen
// as a whole: FileName would take them off.
func fileName(p *multipart.Part) string {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	return params["filename"]
}

// metadataOf brings the fields into the form of the interface.
func metadataOf(values map[string]string) ([]byte, error) {
	m := map[string]any{}
	for _, name := range []string{"producer", "producer_record_id", "kind", "class", "title", "reference", "creator", "opened", "closed", "confidentiality"} {
		if values[name] != "" {
			m[name] = values[name]
		}
	}
	if code, _, ok := strings.Cut(values["class"], " "); ok {
		m["class"] = code // chosen from the list, with its title
	}
	m["personal_data"] = values["personal_data"] == "1"
	var words []string
	for word := range strings.FieldsFuncSeq(values["keywords"], func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		if word = strings.TrimSpace(word); word != "" && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	if words != nil {
		m["keywords"] = words
	}
	return json.Marshal(m)
}

// exactName is the field before a file whose name a browser would change on its way: it
// writes %22 for a quotation mark and %0A for a line feed (WHATWG HTML, multipart form
// data), and a name may hold these signs itself. It holds the name percent-encoded.
const exactName = "name"

// passOn writes the form of the interface: metadata first, then each file. The first one
// comes with its exact name, where there was one.
func passOn(out *multipart.Writer, metadata []byte, in *multipart.Reader, p *multipart.Part, exact string) error {
	w, err := out.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="metadata"`}, "Content-Type": {"application/json"}})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, bytes.NewReader(metadata)); err != nil {
		return err
	}
	for ; ; p, err = in.NextRawPart() {
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if p.FormName() == exactName {
			b, err := io.ReadAll(io.LimitReader(p, fieldBytes))
			if err != nil {
				return err
			}
			exact = string(b)
			continue
		}
		name := fileName(p)
		if p.FormName() != "file" || name == "" {
			continue
		}
		if given, err := url.PathUnescape(exact); err == nil && given != "" {
			name = given
		}
		exact = ""
		disposition := "form-data; name=\"file\"; filename*=UTF-8''" + url.PathEscape(name) // RFC 8187
		w, err := out.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {"application/octet-stream"}})
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, p); err != nil {
			return err
		}
	}
}
