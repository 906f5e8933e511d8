package pades

import (
	"fmt"
	"io"

	"github.com/digitorus/pdf"
)

// document is an opened PDF.
type document struct {
	reader *pdf.Reader
	size   int64
}

// open reads the structure of a document and refuses what a seal would spoil.
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
	return &document{reader: r, size: size}, nil
}

// fieldName is the name of the field that a seal fills.
const fieldName = "Signature 1"

// update returns the update that gives the document a seal, with room in the place
// of the signature.
func (doc *document) update(f Form) (u update, err error) {
	defer func() {
		if p := recover(); p != nil { // from the parser
			err = fmt.Errorf("%w: %v", ErrUnsupported, p)
		}
	}()
	v, err := doc.revision()
	if err != nil {
		return u, err
	}
	nodes := maxNodes
	page, err := firstPage(doc.reader.Trailer().Key("Root").Key("Pages"), &nodes)
	if err != nil {
		return u, err
	}
	signature, field := ref{number: v.next}, ref{number: v.next + 1}
	u = update{offset: doc.size, bytes: v.append(
		object{signature, f.encode(false)},
		object{field, encodeField(fieldName, page, signature)},
		object{v.root, doc.catalog(field)},
	)}
	return u, u.fillRange()
}

// revision is the state of the document that the seal follows.
func (doc *document) revision() (v revision, err error) {
	t := doc.reader.Trailer()
	at := doc.reader.XrefInformation
	v = revision{size: doc.size, xref: at.StartPos, stream: at.Type == "stream"}
	root := t.Key("Root").GetPtr()
	v.root = ref{root.GetID(), uint32(root.GetGen())}
	if id := t.Key("Info").GetPtr(); id.GetID() != 0 {
		v.trailer = append(v.trailer, entry{"Info", fmt.Sprintf("%d %d R", id.GetID(), id.GetGen())})
	}
	if id := t.Key("ID"); id.Kind() == pdf.Array {
		v.trailer = append(v.trailer, entry{"ID", encodeValue(id, id.GetPtr())})
	}
	next := max(t.Key("Size").Int64(), at.ItemCount)
	for _, x := range doc.reader.Xref() {
		p := x.Ptr()
		next = max(next, int64(p.GetID())+1)
	}
	if next < 1 || next > maxObject-8 || v.root.number == 0 {
		return v, fmt.Errorf("%w: it has objects up to number %d", ErrUnsupported, next)
	}
	v.next = uint32(next)
	return v, nil
}

// catalog is the document's catalog with one field more.
func (doc *document) catalog(field ref) []byte {
	root := doc.reader.Trailer().Key("Root")
	var all []entry
	for _, k := range root.Keys() {
		if k != "AcroForm" {
			all = append(all, entry{k, encodeValue(root.Key(k), root.GetPtr())})
		}
	}
	if root.Key("Version").IsNull() && doc.reader.PDFVersion < "1.5" {
		all = append(all, entry{"Version", "/1.5"}) // of signature fields and flags, ISO 32000-2, 7.5.2
	}
	old := root.Key("AcroForm")
	fields := old.Key("Fields")
	list := "["
	for i := range fields.Len() {
		list += encodeValue(fields.Index(i), fields.GetPtr()) + " "
	}
	form := []entry{{"Fields", list + field.String() + "]"}, {"SigFlags", "3"}} // signatures exist, append only: 12.7.3
	for _, k := range old.Keys() {
		if k != "Fields" && k != "SigFlags" {
			form = append(form, entry{k, encodeValue(old.Key(k), old.GetPtr())})
		}
	}
	return encodeDict(append(all, entry{"AcroForm", string(encodeDict(form))}))
}

// maxNodes bounds the nodes of a page tree that are looked at for a page.
const maxNodes = 1000

// firstPage returns the reference of the first page in a page tree.
func firstPage(node pdf.Value, left *int) (string, error) {
	p := node.GetPtr()
	if node.Key("Type").Name() == "Page" && p.GetID() != 0 {
		return fmt.Sprintf("%d %d R", p.GetID(), p.GetGen()), nil
	}
	for i := range node.Key("Kids").Len() {
		if *left--; *left < 0 {
			break
		}
		if page, err := firstPage(node.Key("Kids").Index(i), left); err == nil {
			return page, nil
		}
	}
	return "", fmt.Errorf("%w: it has no pages", ErrUnsupported)
}

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
