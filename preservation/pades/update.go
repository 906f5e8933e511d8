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
	"math/big"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/digitorus/pdfsign/sign"
)

// update is the incremental update that carries a seal, still empty.
type update struct {
	offset int64  // in the sealed file; the document lies before it unchanged
	bytes  []byte // to the end of the file
	from   int    // of the hole in bytes, '<' included
	to     int    // behind its '>'
}

// build lets pdfsign write the document with a signature field and returns the
// update in it, with room for the signature.
//
// pdfsign signs with a throw-away key; its signature, its SubFilter and the
// texts, which it would write without escaping some of them, are overwritten
// in place. What it would lose of the document is put back by complete.
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
	fill := map[string]string{"Name": f.Name, "Reason": f.Reason, "Location": f.Location}
	w := &tail{skip: doc.size}
	s := sign.SignContext{
		PDFReader: doc.reader, InputFile: doc.file, OutputFile: w,
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
	u = update{offset: doc.size, bytes: w.kept}
	if err := u.complete(doc); err != nil {
		return u, err
	}
	if err := u.overwrite("/SubFilter /adbe.pkcs7.detached", "/SubFilter /ETSI.CAdES.detached"); err != nil {
		return u, err
	}
	for k, v := range fill {
		if v == "" {
			continue
		}
		if err := u.overwrite("/"+k+" ("+placeholder(k, v)+")", "/"+k+" "+encodeText(v)); err != nil {
			return u, err
		}
	}
	return u, u.findHole()
}

// room returns how many bytes a signature may have.
func (u *update) room() int { return (u.to - u.from - len("<>")) / 2 }

// findHole reads the only ByteRange of the update and makes sure that it
// leaves out nothing but the room for the signature.
func (u *update) findHole() error {
	i := bytes.Index(u.bytes, byteRangeKey)
	if i < 0 || bytes.Count(u.bytes, byteRangeKey) != 1 {
		return fmt.Errorf("%w: the update has no single ByteRange", ErrUnsupported)
	}
	r, ok := parseRanges(u.bytes[i+len(byteRangeKey):])
	size := u.offset + int64(len(u.bytes))
	if !ok || len(r) != 4 || r[0] != 0 || r[1] <= u.offset || r[2] <= r[1] || r[2]+r[3] != size {
		return fmt.Errorf("%w: ByteRange %v of the update does not fit", ErrUnsupported, r)
	}
	u.from, u.to = int(r[1]-u.offset), int(r[2]-u.offset)
	if u.bytes[u.from] != '<' || u.bytes[u.to-1] != '>' || !bytes.HasSuffix(u.bytes[:u.from], contentsKey) {
		return fmt.Errorf("%w: ByteRange %v of the update misses the signature", ErrUnsupported, r)
	}
	return nil
}

// placeholder returns plain text that is written as long as encodeText(s).
func placeholder(key, s string) string {
	if s == "" {
		return ""
	}
	return strings.Repeat(key[:1], len("<feff>")-len("()")+4*len(utf16.Encode([]rune(s))))
}

// tail keeps what is written after skip bytes.
type tail struct {
	at   int64
	skip int64
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	if end := t.at + int64(len(b)); end > t.skip {
		t.kept = append(t.kept, b[max(0, t.skip-t.at):]...)
	}
	t.at += int64(len(b))
	return len(b), nil
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
