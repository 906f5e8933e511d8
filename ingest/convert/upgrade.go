package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

var upgradeLimits = sandbox.Limits{Memory: 1 << 30, CPU: time.Minute, FileSize: 1 << 30, Output: 4 << 20}

// addMetadata writes a copy that says it is PDF/A-2b and in which colour space;
// the content of the pages stays as it is. Whether that is true is for the
// validator to say.
//
// One tool reads and writes the PDF, and it is one that reads broken tables and
// nested objects as viewers do: what a reader misses is not in the copy.
func (j *job) addMetadata(ctx context.Context, pdf string) (string, error) {
	d, err := j.describe(ctx, pdf)
	if err != nil {
		return "", err
	}
	return j.withMetadata(ctx, pdf, d)
}

func (j *job) withMetadata(ctx context.Context, pdf string, d described) (string, error) {
	icc, err := os.ReadFile(iccProfile)
	if err != nil {
		return "", fmt.Errorf("%w: %s (of Ghostscript)", ErrMissing, iccProfile)
	}
	xmp, err := metadata(d.info, j.src.Title)
	if err != nil {
		return "", err
	}
	intent, profile, about := d.after(1), d.after(2), d.after(3)
	d.catalog["/Metadata"] = about
	d.catalog["/OutputIntents"] = []any{intent}
	update, err := json.Marshal(map[string]any{"qpdf": []any{
		map[string]any{"jsonversion": 2, "pdfversion": d.version, "pushedinheritedpageresources": false, "calledgetallpages": false, "maxobjectid": d.last},
		map[string]any{
			"obj:" + d.root: map[string]any{"value": d.catalog},
			"obj:" + intent: map[string]any{"value": map[string]any{
				"/Type": "/OutputIntent", "/S": "/GTS_PDFA1", "/OutputConditionIdentifier": "u:sRGB", "/Info": "u:sRGB IEC61966-2.1", "/DestOutputProfile": profile,
			}},
			"obj:" + profile: map[string]any{"stream": map[string]any{"data": icc, "dict": map[string]any{"/N": 3}}},
			"obj:" + about:   map[string]any{"stream": map[string]any{"data": xmp, "dict": map[string]any{"/Type": "/Metadata", "/Subtype": "/XML"}}},
		},
	}})
	if err != nil {
		return "", err
	}
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "update.json"), update, 0o600); err != nil {
		return "", err
	}
	res, err := j.tool(ctx, sandbox.Command{
		Name: "qpdf", Dir: dir, Read: []string{pdf}, Limits: upgradeLimits,
		Args: []string{"--deterministic-id", "--newline-before-endstream", "--object-streams=disable", "--stream-data=preserve",
			"--update-from-json=update.json", pdf, "rendition.pdf"},
	})
	if err != nil {
		return "", err
	}
	out, err := produced(dir, "rendition.pdf")
	if err != nil {
		return "", err
	}
	if out == "" || !read(res) {
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("qpdf could not add metadata (exit code %d).", res.ExitCode)}
	}
	j.note(preservation.EventConvert, preservation.Success, "",
		"Metadata and output intent of PDF/A-2b added; the content of the pages is untouched.", j.qpdf(ctx))
	return out, nil
}

// read reports whether qpdf did what it was asked for, perhaps with warnings.
func read(res sandbox.Result) bool { return res.ExitCode == 0 || res.ExitCode == 3 }

// described is what adding metadata needs to know of a PDF.
type described struct {
	version string
	last    int    // the highest number of an object
	root    string // reference to the catalog
	catalog map[string]any
	info    map[string]any // the document information dictionary
	dynamic bool           // a viewer builds the pages from a form
}

// after returns a reference to the nth object after the last.
func (d described) after(n int) string { return fmt.Sprintf("%d 0 R", d.last+n) }

func (j *job) describe(ctx context.Context, pdf string) (described, error) {
	unreadable := &Refusal{CodeUnconvertible, "qpdf cannot read the catalog of the PDF."}
	d, values, err := j.objects(ctx, pdf, "trailer")
	if err != nil {
		return d, err
	}
	trailer, _ := values["trailer"].(map[string]any)
	var ask []string
	for _, key := range []string{"/Root", "/Info"} {
		var number, generation int
		ref, _ := trailer[key].(string)
		if _, err := fmt.Sscanf(ref, "%d %d R", &number, &generation); err == nil {
			ask = append(ask, fmt.Sprintf("%d,%d", number, generation))
		} else if key == "/Root" {
			return d, unreadable
		}
	}
	if d, values, err = j.objects(ctx, pdf, ask...); err != nil {
		return d, err
	}
	d.root, _ = trailer["/Root"].(string)
	d.catalog, _ = values["obj:"+d.root].(map[string]any)
	if d.catalog == nil || d.last == 0 {
		return d, unreadable
	}
	switch info := trailer["/Info"].(type) {
	case string:
		d.info, _ = values["obj:"+info].(map[string]any)
	case map[string]any:
		d.info = info
	}
	form, err := j.resolve(ctx, pdf, d.catalog["/AcroForm"])
	if err != nil {
		return d, err
	}
	d.dynamic = d.catalog["/NeedsRendering"] == true
	if form, ok := form.(map[string]any); ok && form["/XFA"] != nil && !d.dynamic {
		fields, err := j.resolve(ctx, pdf, form["/Fields"])
		if err != nil {
			return d, err
		}
		list, _ := fields.([]any)
		d.dynamic = len(list) == 0 // there is nothing on the pages for what the form holds
	}
	return d, nil
}

// resolve follows a reference.
func (j *job) resolve(ctx context.Context, pdf string, value any) (any, error) {
	ref, _ := value.(string)
	var number, generation int
	if _, err := fmt.Sscanf(ref, "%d %d R", &number, &generation); err != nil {
		return value, nil
	}
	_, values, err := j.objects(ctx, pdf, fmt.Sprintf("%d,%d", number, generation))
	return values["obj:"+ref], err
}

// objects has qpdf write objects of a PDF as JSON (its version 2).
func (j *job) objects(ctx context.Context, pdf string, which ...string) (d described, values map[string]any, err error) {
	unreadable := &Refusal{CodeUnconvertible, "qpdf cannot read the PDF."}
	args := []string{"--json=2", "--json-key=qpdf"}
	for _, w := range which {
		args = append(args, "--json-object="+w)
	}
	dir, err := j.folder()
	if err != nil {
		return d, nil, err
	}
	defer os.Remove(dir)
	var out bytes.Buffer
	res, err := j.tool(ctx, sandbox.Command{Name: "qpdf", Args: append(args, pdf), Dir: dir, Read: []string{pdf}, Stdout: &out, Limits: upgradeLimits})
	var no *Refusal
	if errors.As(err, &no) && no.Code == codeLimit+sandbox.LimitOutput {
		return d, nil, unreadable // a catalog of several megabytes
	}
	if err != nil {
		return d, nil, err
	}
	var said struct{ QPDF []json.RawMessage }
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || !read(res) || len(said.QPDF) != 2 {
		return d, nil, unreadable
	}
	var about struct {
		PDFVersion  string
		MaxObjectID int
	}
	var objects map[string]struct{ Value any }
	in := json.NewDecoder(bytes.NewReader(said.QPDF[1]))
	in.UseNumber() // a number is written back as it was
	if err := errors.Join(json.Unmarshal(said.QPDF[0], &about), in.Decode(&objects)); err != nil {
		return d, nil, unreadable
	}
	values = map[string]any{}
	for name, o := range objects {
		values[name] = o.Value
	}
	return described{version: about.PDFVersion, last: about.MaxObjectID}, values, nil
}

// The XMP packet carries the entries of the document information dictionary over (ISO 19005-2, 6.6.2).
var packet = template.Must(template.New("").Funcs(template.FuncMap{"x": escape}).Parse(
	"<?xpacket begin=\"\ufeff\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n" +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:format>application/pdf</dc:format>
{{- with .Title}}<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{{x .}}</rdf:li></rdf:Alt></dc:title>{{end}}
{{- with .Author}}<dc:creator><rdf:Seq><rdf:li>{{x .}}</rdf:li></rdf:Seq></dc:creator>{{end}}
{{- with .Subject}}<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{{x .}}</rdf:li></rdf:Alt></dc:description>{{end -}}
</rdf:Description>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
{{- with .CreationDate}}<xmp:CreateDate>{{.}}</xmp:CreateDate>{{end}}
{{- with .Creator}}<xmp:CreatorTool>{{x .}}</xmp:CreatorTool>{{end}}
{{- with .Producer}}<pdf:Producer>{{x .}}</pdf:Producer>{{end}}
{{- with .Keywords}}<pdf:Keywords>{{x .}}</pdf:Keywords>{{end -}}
</rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>`))

// metadata carries over what can be read of the document information dictionary.
func metadata(dictionary map[string]any, title string) ([]byte, error) {
	info := map[string]string{"Title": title}
	for _, key := range []string{"Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate"} {
		value, _ := dictionary["/"+key].(string)
		if s, ok := strings.CutPrefix(value, "u:"); ok && strings.TrimSpace(s) != "" {
			info[key] = s
		}
	}
	if info["CreationDate"] = pdfDate(info["CreationDate"]); info["CreationDate"] == "" {
		delete(info, "CreationDate")
	}
	var b bytes.Buffer
	err := packet.Execute(&b, info)
	return b.Bytes(), err
}

// pdfDate returns a date (ISO 32000-1, 7.9.4) as XMP writes it, or "".
func pdfDate(s string) string {
	s = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(s), "D:"), "'", "")
	if day, zone, ok := strings.Cut(s, "Z"); ok && strings.Trim(zone, "0") == "" { // Z00'00'
		s = day + "Z"
	}
	for _, f := range []struct{ in, out string }{
		{"20060102150405Z0700", time.RFC3339}, {"20060102150405-0700", time.RFC3339}, {"20060102150405-07", time.RFC3339}, {"20060102150405Z", time.RFC3339},
		{"20060102150405", "2006-01-02T15:04:05"}, {"200601021504", "2006-01-02T15:04"}, {"20060102", "2006-01-02"}, {"200601", "2006-01"}, {"2006", "2006"},
	} {
		if t, err := time.Parse(f.in, s); err == nil {
			return t.Format(f.out)
		}
	}
	return ""
}

func escape(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(bounded(s, 4096)))
	return b.String(), err
}
