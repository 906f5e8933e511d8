package ingest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"bestand/ingest/format"
	"bestand/preservation"
	"bestand/preservation/xades"
)

// isXML says whether a file is XML, which may have a signature in it or be one.
func isXML(f *file) bool {
	return f.ident.Family == format.XML || slices.Contains([]string{".xml", ".xades", ".xsig"}, strings.ToLower(path.Ext(f.Name)))
}

// validateXML checks the XAdES or other XML signatures in a file: over what stands
// there, or over files that came with it.
func (w *work) validateXML(ctx context.Context, f *file) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	suspect, err := xades.Suspect(contextual{ctx, in})
	if err != nil || !suspect {
		return err
	}
	if f.Size > xades.MaxSize {
		w.validated(f, []preservation.Finding{{Code: "signature-too-large", Severity: preservation.Notice,
			Detail: fmt.Sprintf("it may have XML signatures and has more than %d bytes; they were not validated: check it with another verifier", xades.MaxSize)}})
		return nil
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var about []preservation.FileID
	found, _, err := xades.Verify(ctx, in, xades.Options{Trust: w.strangers(), Open: func(name string) (io.ReadCloser, error) {
		target := w.beside(f, name)
		if target == nil {
			return nil, fs.ErrNotExist
		}
		if !slices.Contains(about, target.ID) {
			about = append(about, target.ID)
		}
		in, err := os.Open(target.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %v", target.ID, err) // even if it does not exist: it came
		}
		return in, nil
	}})
	if err != nil {
		return err
	}
	w.validated(f, found, about...)
	return nil
}

// beside finds the file that came with another by a name that is relative to the
// folder of this one; nil when there is none.
func (w *work) beside(f *file, name string) *file {
	name = path.Join(path.Dir(f.Name), name)
	for _, other := range w.files {
		if other != f && other.Name == name && other.DerivedFrom == f.DerivedFrom && !other.held && !other.closed && !other.made && other.Representation != preservation.Text {
			return other
		}
	}
	return nil
}
