package pades

import (
	"fmt"
	"io"

	"github.com/digitorus/pdf"
)

// document is an opened PDF.
type document struct {
	file   *io.SectionReader
	reader *pdf.Reader
	size   int64
}

// open reads the structure of a document and refuses what pdfsign would spoil.
func open(in io.ReaderAt, size int64) (doc *document, err error) {
	defer func() {
		if p := recover(); p != nil { // from the parser
			doc, err = nil, fmt.Errorf("%w: %v", ErrUnsupported, p)
		}
	}()
	f := io.NewSectionReader(in, 0, size)
	r, err := pdf.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	t := r.Trailer()
	root := t.Key("Root")
	switch {
	case !t.Key("Encrypt").IsNull():
		return nil, fmt.Errorf("%w: it is encrypted", ErrUnsupported)
	case !t.Key("XRefStm").IsNull():
		return nil, fmt.Errorf("%w: it has a hybrid cross-reference", ErrUnsupported)
	case root.Kind() != pdf.Dict || root.Key("Pages").Kind() != pdf.Dict:
		return nil, fmt.Errorf("%w: it has no pages", ErrUnsupported)
	}
	form := root.Key("AcroForm")
	for i := range form.Key("Fields").Len() {
		if decodeText(form.Key("Fields").Index(i).Key("T").RawString()) == fieldName {
			return nil, fmt.Errorf("%w: it has a field %q", ErrUnsupported, fieldName)
		}
	}
	return &document{file: f, reader: r, size: size}, nil
}

// fieldName is the name that pdfsign gives the first signature field.
const fieldName = "Signature 1"

// unchanged makes sure that the sealed document differs from the document in
// nothing but the new field: same catalog, pages, description and identifiers,
// as a reader finds them.
func unchanged(doc *document, sealed io.ReaderAt, size int64) (err error) {
	defer func() {
		if p := recover(); p != nil { // from the parser
			err = fmt.Errorf("%w: sealed: %v", ErrUnsupported, p)
		}
	}()
	r, err := pdf.NewReader(sealed, size)
	if err != nil {
		return fmt.Errorf("%w: sealed: %w", ErrUnsupported, err)
	}
	was, is := doc.reader.Trailer(), r.Trailer()
	for _, k := range []string{"Info", "ID"} {
		if was.Key(k).String() != is.Key(k).String() {
			return fmt.Errorf("%w: the seal would change %s", ErrUnsupported, k)
		}
	}
	root, now := was.Key("Root"), is.Key("Root")
	for _, k := range root.Keys() {
		if k != "AcroForm" && k != "Version" && root.Key(k).String() != now.Key(k).String() {
			return fmt.Errorf("%w: the seal would change %s in the catalog", ErrUnsupported, k)
		}
	}
	for _, k := range root.Key("AcroForm").Keys() {
		if k != "Fields" && k != "SigFlags" && root.Key("AcroForm").Key(k).String() != now.Key("AcroForm").Key(k).String() {
			return fmt.Errorf("%w: the seal would change %s of the form", ErrUnsupported, k)
		}
	}
	fields, all := root.Key("AcroForm").Key("Fields"), now.Key("AcroForm").Key("Fields")
	if all.Len() != fields.Len()+1 {
		return fmt.Errorf("%w: %d form fields become %d", ErrUnsupported, fields.Len(), all.Len())
	}
	for i := range fields.Len() {
		if fields.Index(i).String() != all.Index(i).String() {
			return fmt.Errorf("%w: the seal would change a form field", ErrUnsupported)
		}
	}
	if f := all.Index(fields.Len()); f.Key("FT").Name() != "Sig" || f.Key("V").Key("Type").Name() != "Sig" {
		return fmt.Errorf("%w: the new field is no signature", ErrUnsupported)
	}
	return nil
}
