package pades

import (
	"fmt"
	"strings"
)

// addStamp returns the update that gives a sealed document a document time-stamp
// (EN 319 142-1, 5.4.3), with room for a token of so many bytes. Its field lies
// where the seal's does.
func (f *file) addStamp(room int) (u update, err error) {
	bad := fmt.Errorf("%w: the document has no form as a seal has one", errStructure)
	catalog, err := f.catalog()
	if err != nil {
		return u, err
	}
	form, ok := parseEntries(lookup(catalog, "AcroForm"))
	if !ok {
		return u, bad
	}
	fields, ok := parseArray(lookup(form, "Fields"))
	if !ok || len(fields) == 0 {
		return u, bad
	}
	page := ""
	for i := len(fields) - 1; i >= 0 && page == ""; i-- {
		raw, err := f.resolve(fields[i])
		if err != nil {
			return u, err
		}
		if field, _ := parseEntries(raw); lookup(field, "FT") == "/Sig" {
			page = lookup(field, "P")
		}
	}
	if _, ok := parseRef(page); !ok {
		return u, bad
	}
	v := f.newest
	signature, field := ref{number: v.next}, ref{number: v.next + 1}
	form = replace(form, entry{"Fields", "[" + strings.Join(append(fields, field.String()), " ") + "]"})
	u = update{offset: f.size, bytes: v.append(
		object{signature, encodeStamp(room)},
		object{field, encodeField(fmt.Sprintf("Time-stamp %d", len(fields)), page, signature)},
		object{v.root, encodeDict(replace(catalog, entry{"AcroForm", string(encodeDict(form))}))},
	)}
	return u, u.fillRange()
}

// rangeRoom is what a ByteRange may take: four numbers of ten digits.
const rangeRoom = len("[0 0123456789 0123456789 0123456789]")

// encodeStamp writes the dictionary of a document time-stamp (ISO 32000-2, 12.8.5)
// with room for the token and its ByteRange. The token alone says the time.
func encodeStamp(room int) []byte {
	return fmt.Appendf(nil, "<< /Type /DocTimeStamp /Filter /Adobe.PPKLite /SubFilter /ETSI.RFC3161\n %s %s /Contents<%s>\n>>",
		byteRangeKey, strings.Repeat(" ", rangeRoom), strings.Repeat("0", 2*room))
}

// encodeField writes an invisible signature field that is its own annotation
// (12.7.5.5): on a page, with the signature that fills it.
func encodeField(name, page string, signature ref) []byte {
	return encodeDict([]entry{{"Type", "/Annot"}, {"Subtype", "/Widget"}, {"Rect", "[0 0 0 0]"}, {"P", page},
		{"F", "132"}, // print, locked: what PDF/A asks of annotations
		{"FT", "/Sig"}, {"T", encodeText(name)}, {"V", signature.String()}})
}
