package ingest

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
)

// isCMS says by its name whether a file is a CMS signature (RFC 8551, 3.2.1), alone
// or around what it signs.
func isCMS(name string) bool {
	return slices.Contains([]string{".p7s", ".p7m", ".p7", ".pkcs7"}, strings.ToLower(path.Ext(name)))
}

// validateCMS checks a CAdES or other CMS signature in a file of its own: over what
// it encloses, or over the file of the record that it belongs to.
func (w *work) validateCMS(ctx context.Context, f *file) error {
	if f.Size > cms.MaxSize {
		w.validated(f, []preservation.Finding{{Code: "signature-too-large", Severity: preservation.Notice,
			Detail: fmt.Sprintf("it has more than %d bytes and was not validated: check it with another verifier", cms.MaxSize)}})
		return nil
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	sd, err := cms.Parse(raw)
	if err != nil || sd.Content != nil {
		var content []byte
		if err == nil {
			content = sd.Content
		}
		w.validated(f, cades.Verify(raw, bytes.NewReader(content), w.strangers())) // of what cannot be read it says so
		return nil
	}
	target, err := w.signedFile(f, sd)
	if err != nil {
		return err
	}
	if target == nil {
		w.validated(f, []preservation.Finding{{Code: "signed-content-missing", Severity: preservation.Notice,
			Detail: "the record has no file that it signs, by name or digest", Clause: "RFC 5652, 5.2"}})
		return nil
	}
	in, err := os.Open(target.path)
	if err != nil {
		return err
	}
	defer in.Close()
	w.validated(f, cades.Verify(raw, contextual{ctx, in}, w.strangers()), target.ID)
	return ctx.Err()
}

// signedFile finds the file that a detached signature belongs to: the one with the
// digest that it signs, else the one that it is named after. It returns nil when
// there is none.
func (w *work) signedFile(f *file, sd *cms.SignedData) (*file, error) {
	var digests []string
	for _, s := range sd.Signers {
		digests = append(digests, hex.EncodeToString(s.MessageDigest()))
	}
	document := strings.TrimSuffix(f.Name, path.Ext(f.Name))
	var named, alike *file
	for _, other := range w.files {
		if other == f || other.held || other.closed || other.made || other.Representation == preservation.Text {
			continue
		}
		if err := other.sum(); err != nil {
			return nil, err
		}
		switch {
		case slices.Contains(digests, other.SHA256), slices.Contains(digests, other.SHA512):
			return other, nil
		case other.Name == document:
			named = other
		case strings.TrimSuffix(other.Name, path.Ext(other.Name)) == document && !isCMS(other.Name):
			alike = other
		}
	}
	if named == nil {
		named = alike
	}
	return named, nil
}

// contextual reads until the context ends.
type contextual struct {
	ctx context.Context
	r   io.Reader
}

func (c contextual) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
