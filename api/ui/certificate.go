package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bestand/api"
	"bestand/retention"
)

// certificateView is the certificate of a run (Vernichtungsnachweis). Of a long list
// the page has the first records; the files have all.
type certificateView struct {
	retention.Certificate
	Records []retention.CertifiedRecord
	More    bool
	Record  string // that holds the certificate, once it is archived
	ID      string
	Name    string // of the run; by its day where it has no title
}

// certifiedShown is how many records the page of a certificate has.
const certifiedShown = 100

func certificatePage(v *visit) error {
	id := v.r.PathValue("id")
	var run api.DisposalRun
	if err := v.get(joinPath("/v1/disposals/", id)+"?limit=1", &run); err != nil {
		return err
	}
	run.ID = id
	p := certificateView{ID: id, Record: run.Certificate, Name: runView{DisposalRun: run}.Name(v.lang)}
	text, err := v.beginning(joinPath("/v1/disposals/", id, "/certificate"))
	if err != nil {
		return err
	}
	if err := p.read(text); err != nil {
		return fmt.Errorf("certificate of disposal run %s: %w", id, err)
	}
	return v.show("certificate", v.lang.t("certificate.title"), &p, crumb{v.lang.t("disposal.title"), "/aussonderung"}, crumb{v.lang.t("runs.title"), "/aussonderung/laeufe"},
		crumb{p.Name, joinPath("/aussonderung/laeufe/", id)})
}

// certificateFile is the certificate as a file: the JSON text, or the sealed PDF/A.
func certificateFile(v *visit) error {
	format := v.r.PathValue("format")
	if format != "pdf" && format != "json" {
		return errNotFound
	}
	id := v.r.PathValue("id")
	return v.attach("vernichtungsnachweis-"+id+"."+format, joinPath("/v1/disposals/", id, "/certificate")+"?format="+format, "")
}

// attach passes content of the interface on as a file with a name of ours; media is
// what is asked for where the interface has several forms.
func (v *visit) attach(name, path, media string) error {
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodGet, path, http.NoBody)
	if err != nil {
		return err
	}
	if media != "" {
		r.Header.Set("Accept", media)
	}
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	p := &passage{answer: answer{header: http.Header{}}, to: v.w}
	v.ui.API.ServeAs(p, r, v.who)
	err = p.refusal()
	if err != nil {
		v.w.Header().Del("Content-Disposition") // what follows is a page
	}
	return err
}

// read takes a certificate apart, of which the end may be missing.
func (p *certificateView) read(text []byte) error {
	in := json.NewDecoder(bytes.NewReader(text))
	if _, err := in.Token(); err != nil {
		return err
	}
	head := map[string]json.RawMessage{}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		if name == "records" {
			break
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return err
		}
		head[fmt.Sprint(name)] = value
	}
	all, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(all, &p.Certificate); err != nil {
		return err
	}
	if _, err := in.Token(); err != nil {
		return err
	}
	for in.More() {
		if len(p.Records) == certifiedShown {
			p.More = true
			break
		}
		var r retention.CertifiedRecord
		if err := in.Decode(&r); err != nil {
			return err
		}
		p.Records = append(p.Records, r)
	}
	return nil
}

// beginningSize is how much of an answer without an end is read: it holds the records
// that are shown, whatever is said of them.
const beginningSize = 1 << 20

// errEnough stops an answer of which the beginning is all that is wanted.
var errEnough = errors.New("enough")

// beginning reads the first part of an answer.
func (v *visit) beginning(path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	a := opening{answer{header: http.Header{}}}
	v.ui.API.ServeAs(&a, r, v.who)
	return a.body.Bytes(), a.refusal()
}

// opening is an answer that wants no more than a beginning.
type opening struct{ answer }

func (o *opening) Write(b []byte) (int, error) {
	if o.body.Len() > beginningSize {
		return 0, errEnough
	}
	return o.answer.Write(b)
}
