package dip

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"io"

	"bestand/preservation/aip"
)

// Media types and places of an ASiC-E with an evidence record (EN 319 162-1, 4.4 and
// A.7).
const (
	ASiCType     = "application/vnd.etsi.asic-e+zip"
	asicManifest = "META-INF/ASiCEvidenceRecordManifest001.xml"
	asicEvidence = "META-INF/evidencerecord001.ers"
	asicOwn      = "META-INF/" // what else is told stands here too, unprotected
)

// ASiC writes the package as ASiC-E with its evidence record: the files with the
// paths that they have in the package, below META-INF the manifest that names them,
// and the evidence record.
func ASiC(ctx context.Context, w io.Writer, s Source) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	z := aip.NewZIP(w)
	// First and stored, so that the type stands at a fixed place (A.1).
	if err := add(z, "mimetype", []byte(ASiCType)); err != nil {
		return err
	}
	for _, e := range files {
		if err := z.Add(e.Path, e.Size, e.CRC32, func(w io.Writer) error { return s.copy(ctx, w, e) }); err != nil {
			return err
		}
	}
	manifest, err := evidenceManifest(files)
	if err != nil {
		return err
	}
	if err := add(z, asicManifest, manifest); err != nil {
		return err
	}
	if err := add(z, asicEvidence, s.Evidence); err != nil {
		return err
	}
	if len(s.Statements) > 0 {
		content, err := s.statements()
		if err != nil {
			return err
		}
		if err := add(z, asicOwn+statementsName, content); err != nil {
			return err
		}
	}
	return z.Close()
}

func add(z *aip.ZIP, name string, content []byte) error {
	return z.Add(name, int64(len(content)), crc32.ChecksumIEEE(content), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// evidenceManifest is the ASiCEvidenceRecordManifest: one reference for each file
// that the evidence record covers.
func evidenceManifest(files []aip.Entry) ([]byte, error) {
	var b bytes.Buffer
	p := &page{w: &b}
	p.text(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` + "\n")
	p.text(`<asic:SigReference URI="%s"/>`+"\n", asicEvidence)
	for _, e := range files {
		digest, err := hex.DecodeString(e.SHA256)
		if err != nil {
			return nil, err
		}
		p.text(`<asic:DataObjectReference URI="%s"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>%s</ds:DigestValue></asic:DataObjectReference>`+"\n",
			e.Path, base64.StdEncoding.EncodeToString(digest))
	}
	p.text("</asic:ASiCManifest>\n")
	return b.Bytes(), p.err
}
