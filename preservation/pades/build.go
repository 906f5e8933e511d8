package pades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/digitorus/pdfsign/sign"
)

// build has pdfsign write the update that gives the document a seal: signature
// dictionary, signature field, catalog, cross-reference and trailer.
//
// pdfsign would hold the document in memory six times, to digest it. Nobody needs
// that digest: pdfsign signs with a throw-away key, and the seal, a CAdES signature
// over the document itself, takes the place of that signature. So pdfsign gets the
// structure of the document, but none of its bytes, and writes the update as if it
// began at 0; move puts it behind the document. What pdfsign would lose of the
// document complete puts back; its SubFilter and the texts, which it would write
// without escaping some of them, are overwritten in place.
func (doc *document) build(f Form) (u update, err error) {
	defer func() {
		if p := recover(); p != nil { // from the parser
			err = fmt.Errorf("%w: %v", ErrUnsupported, p)
		}
	}()
	key, cert, err := throwAway()
	if err != nil {
		return u, err
	}
	var out bytes.Buffer
	s := sign.SignContext{
		PDFReader: doc.reader, InputFile: &bodiless{ReadSeeker: doc.file}, OutputFile: &out,
		SignatureMaxLengthBase: uint32(2 * f.Room),
		SignData: sign.SignData{
			Signer: key, Certificate: cert, DigestAlgorithm: crypto.SHA256,
			Signature: sign.SignDataSignature{
				CertType: sign.ApprovalSignature,
				Info: sign.SignDataSignatureInfo{
					Name: placeholder("Name", f.Name), Reason: placeholder("Reason", f.Reason),
					Location: placeholder("Location", f.Location), Date: f.Now.UTC().Truncate(time.Second),
				},
			},
		},
	}
	if err := s.SignPDF(); err != nil {
		return u, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	u.bytes = out.Bytes()
	if err := u.complete(doc); err != nil {
		return u, err
	}
	if err := u.move(doc, s.NewXrefStart+int64(len(u.bytes)-out.Len())); err != nil { // only the catalog before it has grown
		return u, err
	}
	if err := u.overwrite("/SubFilter /adbe.pkcs7.detached", "/SubFilter /ETSI.CAdES.detached"); err != nil {
		return u, err
	}
	for _, e := range []entry{{"Name", f.Name}, {"Reason", f.Reason}, {"Location", f.Location}} {
		if e.value == "" {
			continue
		}
		if err := u.overwrite("/"+e.key+" ("+placeholder(e.key, e.value)+")", "/"+e.key+" "+encodeText(e.value)); err != nil {
			return u, err
		}
	}
	return u, u.fillRange()
}

// placeholder returns plain text that is written as long as encodeText(s).
func placeholder(key, s string) string {
	if s == "" {
		return ""
	}
	return strings.Repeat(key[:1], len("<feff>")-len("()")+4*len(utf16.Encode([]rune(s))))
}

// bodiless is a document that seems empty to who reads it from its beginning on.
// Where pdfsign looks for the trailer, it is what it is.
type bodiless struct {
	io.ReadSeeker
	begin bool
}

func (b *bodiless) Seek(offset int64, whence int) (int64, error) {
	at, err := b.ReadSeeker.Seek(offset, whence)
	b.begin = at == 0
	return at, err
}

func (b *bodiless) Read(p []byte) (int, error) {
	if b.begin {
		return 0, io.EOF
	}
	return b.ReadSeeker.Read(p)
}

// throwAway returns a key for a signature that is overwritten.
func throwAway() (crypto.Signer, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "placeholder"}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return key, cert, err
}
