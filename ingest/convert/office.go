package convert

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// exportOptions are the same for every document. Notes are left out because
// their annotations break PDF/A; PDF/UA checks would refuse what is merely old.
const exportOptions = `{"SelectPdfVersion":{"type":"long","value":"2"},` +
	`"UseTaggedPDF":{"type":"boolean","value":"true"},` +
	`"ExportNotes":{"type":"boolean","value":"false"},` +
	`"UseLosslessCompression":{"type":"boolean","value":"true"},` +
	`"ReduceImageResolution":{"type":"boolean","value":"false"}}`

var officeLimits = sandbox.Limits{
	Memory: 1536 << 20, CPU: 2 * time.Minute, FileSize: 512 << 20, Output: 1 << 20,
}

// officeStopped is the exit code of LibreOffice after SIGTERM or SIGINT. It ends with 1
// when it crashes.
const officeStopped = 255

// office renders with LibreOffice by the given export filter.
func office(filter string) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error {
		kind, ext := officeKind(j.src.Format.MIME)
		if err := whole(j.src.Path, ext); err != nil {
			return err
		}
		f, err := officeNumbers(j.src.Path, kind)
		if err != nil {
			return err
		}
		pdf, err := j.soffice(ctx, filter, "", ext, func(to io.Writer) error { return copyTo(to, j.src.Path) })
		if err != nil {
			return err
		}
		return j.accept(ctx, pdf, defaultFlavour, f, tolerances[kind])
	}
}

// soffice converts one file, in the session's process or in one of its own with a
// throw-away profile. LibreOffice looks at the extension of its input; fill writes the input.
func (j *job) soffice(ctx context.Context, filter, inFilter, ext string, fill func(to io.Writer) error) (string, error) {
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	agent := j.libreOffice(ctx)
	pdf := filepath.Join(dir, "rendition.pdf")
	done, err := j.warm(ctx, order{Filter: filter + ":" + exportOptions, InFilter: inFilter}, ext, fill, pdf)
	if err != nil {
		return "", err
	}
	if !done {
		if pdf, err = j.cold(ctx, dir, filter, inFilter, ext, fill); err != nil {
			return "", err
		}
	}
	j.note(preservation.EventConvert, preservation.Success, "", "Converted to tagged PDF/A-2b, filter "+filter+". Comments in the margin are not printed.", agent)
	return pdf, nil
}

// cold converts in a process that ends with the document.
func (j *job) cold(ctx context.Context, dir, filter, inFilter, ext string, fill func(to io.Writer) error) (string, error) {
	document, profile := filepath.Join(dir, "document"+ext), filepath.Join(dir, "profile")
	if err := writeFile(document, fill); err != nil {
		return "", err
	}
	defer os.RemoveAll(profile)
	if err := j.profile(ctx, profile); err != nil {
		return "", err
	}
	args := append(officeFlags(profile), "--nodefault")
	if inFilter != "" {
		args = append(args, "--infilter="+inFilter)
	}
	args = append(args, "--convert-to", "pdf:"+filter+":"+exportOptions, "--outdir", filepath.Join(dir, "out"), document)
	res, err := j.tool(ctx, sandbox.Command{Name: "soffice", Args: args, Dir: dir, Limits: officeLimits})
	if err != nil {
		return "", err
	}
	if res.ExitCode == officeStopped {
		return "", &lost{"soffice", "ended as if it had been told to"}
	}
	pdf, err := produced(dir, "out/document.pdf")
	if err != nil {
		return "", err
	}
	if pdf == "" {
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("LibreOffice could not open or print the document (exit code %d).", res.ExitCode)}
	}
	return pdf, nil
}

// officeKind names the row of tolerances and the extension of a format.
func officeKind(mime string) (kind, ext string) {
	for _, f := range officeFormats {
		for m := range strings.SplitSeq(mime, ", ") {
			if matches(f.mime, m) {
				return f.kind, f.ext
			}
		}
	}
	return "other office", ""
}

// officeFormats: what the numbers of a format can be read from, and the extension that LibreOffice expects.
var officeFormats = []struct{ mime, kind, ext string }{
	{"application/vnd.openxmlformats-officedocument.wordprocessingml*", "docx", ".docx"},
	{"application/vnd.ms-word*", "docx", ".docm"},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml*", "xlsx", ".xlsx"},
	{"application/vnd.ms-excel.sheet.binary*", "other office", ".xlsb"},
	{"application/vnd.ms-excel.*", "xlsx", ".xlsm"},
	{"application/vnd.openxmlformats-officedocument.presentationml*", "pptx", ".pptx"},
	{"application/vnd.ms-powerpoint.*", "pptx", ".pptm"},
	{"application/vnd.oasis.opendocument.text*", "odt", ".odt"},
	{"application/vnd.oasis.opendocument.spreadsheet*", "ods", ".ods"},
	{"application/vnd.oasis.opendocument.presentation*", "odp", ".odp"},
	{"application/vnd.oasis.opendocument.graphics*", "odg", ".odg"},
	{"application/msword", "other office", ".doc"},
	{"application/vnd.ms-excel", "other office", ".xls"},
	{"application/vnd.ms-powerpoint", "other office", ".ppt"},
	{"application/rtf", "rtf", ".rtf"},
	{"text/rtf", "rtf", ".rtf"},
	{"application/vnd.visio*", "other office", ".vsd"},
	{"application/vnd.ms-visio*", "other office", ".vsdx"},
	{"application/vnd.sun.xml.writer*", "other office", ".sxw"},
	{"application/vnd.sun.xml.calc*", "other office", ".sxc"},
	{"application/vnd.sun.xml.impress*", "other office", ".sxi"},
}
