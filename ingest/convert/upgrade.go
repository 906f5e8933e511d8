package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"text/template"
	"time"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// ChildArg as the first argument makes the program the child of a conversion:
// main passes what follows to Child and exits with its code. The PDF library
// thus reads hostile input inside of the sandbox.
const ChildArg = "convert-child"

// Child adds PDF/A metadata to the PDF args[0] and writes args[1], or keeps
// LibreOffice running.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	if len(args) == 2 && args[0] == relayArg {
		if err := relay(args[1], stdin, stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	var extra struct{ Title string }
	err := json.NewDecoder(io.LimitReader(stdin, 64<<10)).Decode(&extra)
	if err == nil {
		err = upgrade(args[0], args[1], extra.Title)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

var upgradeLimits = sandbox.Limits{Memory: 1 << 30, CPU: time.Minute, Wall: 2 * time.Minute, FileSize: 1 << 30, Output: 1 << 20}

// addMetadata writes a copy that says it is PDF/A-2b and in which colour space;
// the content of the pages stays as it is. Whether that is true is for the
// validator to say.
func (j *job) addMetadata(ctx context.Context, pdf string) (string, error) {
	if _, err := os.Stat(iccProfile); err != nil {
		return "", fmt.Errorf("%w: %s (of Ghostscript)", ErrMissing, iccProfile)
	}
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	extra, err := json.Marshal(map[string]string{"Title": j.src.Title})
	if err != nil {
		return "", err
	}
	res, err := j.tool(ctx, sandbox.Command{
		Name: sandbox.Self, Args: []string{ChildArg, pdf, "upgraded.pdf"},
		Dir: dir, Read: []string{pdf}, Stdin: bytes.NewReader(extra), Limits: upgradeLimits,
	})
	if err != nil {
		return "", err
	}
	upgraded, err := produced(dir, "upgraded.pdf")
	if err != nil {
		return "", err
	}
	if upgraded == "" || res.ExitCode != 0 {
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("pdfcpu could not add metadata (exit code %d).", res.ExitCode)}
	}
	// pdfcpu keeps unused entries in the cross-reference table that some viewers
	// stumble over; qpdf writes the table anew and leaves the rest.
	res, err = j.tool(ctx, sandbox.Command{
		Name: "qpdf", Dir: dir, Limits: upgradeLimits,
		Args: []string{"--deterministic-id", "--newline-before-endstream", "--object-streams=disable", "--stream-data=preserve", upgraded, "rendition.pdf"},
	})
	if err != nil {
		return "", err
	}
	out, err := produced(dir, "rendition.pdf")
	if err != nil {
		return "", err
	}
	if out == "" || res.ExitCode != 0 && res.ExitCode != 3 { // 3: with warnings
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("qpdf could not read what pdfcpu wrote (exit code %d).", res.ExitCode)}
	}
	j.note(preservation.EventConvert, preservation.Success, "",
		"Metadata and output intent of PDF/A-2b added; the content of the pages is untouched.", pdfcpu())
	return out, nil
}

func pdfcpu() preservation.Agent {
	a := preservation.Agent{Type: preservation.Software, Name: "pdfcpu"}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if m.Path == "github.com/pdfcpu/pdfcpu" {
				a.Version = m.Version
			}
		}
	}
	return a
}

// upgrade runs in the child.
func upgrade(in, out, title string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pdfcpu: %v", r)
		}
	}()
	api.DisableConfigDir()
	icc, err := os.ReadFile(iccProfile)
	if err != nil {
		return err
	}
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	conf := model.NewDefaultConfiguration()
	conf.ValidationMode = model.ValidationRelaxed
	conf.WriteObjectStream, conf.WriteXRefStream = false, false
	doc, err := api.ReadContext(f, conf)
	if err != nil {
		return err
	}
	x := doc.XRefTable
	if x.Encrypt != nil {
		return errors.New("encrypted")
	}
	catalog, err := x.Catalog()
	if err != nil {
		return err
	}
	xmp, err := metadata(x, title)
	if err != nil {
		return err
	}
	ref, err := stream(x, xmp, map[string]types.Object{"Type": types.Name("Metadata"), "Subtype": types.Name("XML")})
	if err != nil {
		return err
	}
	catalog["Metadata"] = *ref
	if ref, err = stream(x, icc, map[string]types.Object{"N": types.Integer(3)}); err != nil {
		return err
	}
	intent, err := x.IndRefForNewObject(types.Dict{
		"Type": types.Name("OutputIntent"), "S": types.Name("GTS_PDFA1"),
		"OutputConditionIdentifier": types.StringLiteral("sRGB"), "Info": types.StringLiteral("sRGB IEC61966-2.1"),
		"DestOutputProfile": *ref,
	})
	if err != nil {
		return err
	}
	catalog["OutputIntents"] = types.Array{*intent}
	return api.WriteContextFile(doc, out)
}

func stream(x *model.XRefTable, content []byte, entries map[string]types.Object) (*types.IndirectRef, error) {
	s, err := x.NewStreamDictForBuf(content)
	if err != nil {
		return nil, err
	}
	for k, v := range entries {
		s.Dict[k] = v
	}
	if k := entries["Type"]; k == types.Name("Metadata") {
		s.Dict.Delete("Filter") // readable without a PDF library
		s.FilterPipeline = nil
	}
	if err := s.Encode(); err != nil {
		return nil, err
	}
	return x.IndRefForNewObject(*s)
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

func metadata(x *model.XRefTable, title string) ([]byte, error) {
	info := map[string]string{"Title": title}
	if x.Info != nil {
		d, err := x.DereferenceDict(*x.Info)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate"} {
			if v, ok := d[key]; ok {
				if s, err := x.DereferenceText(v); err == nil && strings.TrimSpace(s) != "" { // an entry that cannot be read is left out
					info[key] = s
				}
			}
		}
	}
	if t, ok := types.DateTime(info["CreationDate"], true); ok {
		info["CreationDate"] = t.Format(time.RFC3339)
	} else {
		delete(info, "CreationDate")
	}
	var b bytes.Buffer
	err := packet.Execute(&b, info)
	return b.Bytes(), err
}

func escape(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(bounded(s, 4096)))
	return b.String(), err
}
